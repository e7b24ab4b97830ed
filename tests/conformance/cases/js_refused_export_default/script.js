export const meta = { name: "js_refused_export_default", description: "A default export is refused at load." };
export default async function run() {}
