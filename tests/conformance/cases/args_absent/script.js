export const meta = { name: "args_absent", description: "args are undefined in JavaScript, None in Python, where none were given." };
return [typeof args, args === undefined];
