export const meta = { name: "gate_function", description: "A function passes only where it says so itself; the same function is the same gate." };
const asked = async () => (await agent("yes?")) === "green";
const outcomes = [await gate(asked, { attempts: 2 }), await gate(() => "yes"), await gate(() => { throw new Error("no"); })];
outcomes.push(await gate(() => ({ passed: true }), { hold: 3, label: "named" }));
let turn = 0;
outcomes.push(await gate(() => turn++ === 0, { hold: 2 }));
return [...outcomes.map((each) => each.passed), (await gate(() => 1)).reason];
