export const meta = { name: "js_refused_early_brace", description: "A script cannot close the function that it is the inside of." };
}
return 1;
async function rest() {
