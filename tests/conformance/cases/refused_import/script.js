export const meta = { name: "refused_import", description: "A script has no modules: an import is refused with its line." };
import fs from "fs";
return fs;
