export const meta = { name: "js_clock_and_random", description: "The clock is workflow time in UTC, and randomness comes from the seed: a replay sees the same." };
const again = new Date(Date.now());
const roll = Math.random();
return [
  new Date().toISOString(), again.getTimezoneOffset(), new Date(0).getUTCFullYear(), Date() === new Date().toString(),
  new Date() instanceof Date, roll >= 0 && roll < 1, roll !== Math.random(),
];
