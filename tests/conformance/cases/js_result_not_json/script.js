export const meta = { name: "js_result_not_json", description: "A result that is not JSON fails the run and says why." };
const loop = {};
loop.self = loop;
return loop;
