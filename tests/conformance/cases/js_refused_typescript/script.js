export const meta = { name: "js_refused_typescript", description: "TypeScript is refused with a syntax error at the place." };
interface Finding { file: string }
return 1;
