export const meta = { name: "js_refused_dynamic_import", description: "A dynamic import is refused at load." };
const fs = await import("fs");
return fs;
