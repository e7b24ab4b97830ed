export const meta = { name: "refused_syntax", description: "A script that is not its language is refused with the line." };
const fine = 1;
const = 2;
return fine;
