export const meta = {
  name: "x",
  description: makeText(),
};
return 1;
