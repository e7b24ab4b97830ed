export const meta = { name: "js_refused_export", description: "Only meta may be exported." };
export const extra = 1;
return extra;
