export const meta = { name: "vote_majority", description: "A vote takes the answer of more than half; texts that differ in case and punctuation only are equal." };
return [await vote("2+2?", { model: "haiku" })];
