export const meta = { name: "sleep_and_now", description: "sleep takes workflow time, and now() says which it is, in Unix seconds." };
const before = now();
await sleep(90);
return now() - before;
