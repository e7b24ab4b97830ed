export const meta = { name: "js_refused_require", description: "A CommonJS script is refused at load." };
const fs = require("fs");
return fs;
