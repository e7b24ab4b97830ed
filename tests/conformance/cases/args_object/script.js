export const meta = { name: "args_object", description: "args is exactly the JSON value that was given." };
return { args, kind: typeof args };
