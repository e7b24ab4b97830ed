export const meta = { name: "js_console", description: "console goes to the log." };
console.log("a", { b: 1 }, [2]);
console.warn("careful");
console.error(new Error("broken"));
return null;
