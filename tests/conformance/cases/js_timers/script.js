export const meta = { name: "js_timers", description: "setTimeout is a durable timer; one that was cleared does not hold up the script." };
const timeout = (ms, value) => new Promise((resolve) => setTimeout(resolve, ms, value));
const first = await Promise.race([agent("slow"), timeout(5000, "timed out")]);
const handle = setTimeout(() => log("never"), 1000000);
const quick = await Promise.race([agent("quick"), timeout(60000, "timed out")]);
clearTimeout(handle);
return [first, quick, Date.now() - 1700000000000];
