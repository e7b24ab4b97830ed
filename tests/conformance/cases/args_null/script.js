export const meta = { name: "args_null", description: "args given as null are null." };
return args === null;
