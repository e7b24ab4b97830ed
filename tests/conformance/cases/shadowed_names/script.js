export const meta = { name: "shadowed_names", description: "A script may give its own things the names of the API; they shadow it." };
const review = { log: "mine" };
function judge(phase) {
  const log = phase + 1;
  return log;
}
return [review.log, judge(1), await agent("still there")];
