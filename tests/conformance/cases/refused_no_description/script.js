export const meta = { name: "x" };
return 1;
