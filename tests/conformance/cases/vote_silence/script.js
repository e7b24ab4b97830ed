export const meta = { name: "vote_silence", description: "Agents that died do not vote: fewer answers than the quorum verify nothing, and no answer with enough is disputed." };
const asked = [await vote("q"), await vote("r"), await vote("s"), await vote("t", { n: 3, quorum: 3 })];
return asked.map((each) => [each.verdict, each.value, each.live]);
