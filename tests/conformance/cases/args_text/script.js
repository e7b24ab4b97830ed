export const meta = { name: "args_text", description: "args that are text stay text, even where the text is JSON." };
return [typeof args, args];
