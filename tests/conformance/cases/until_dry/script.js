export const meta = { name: "until_dry", description: "Items are collected until two rounds bring none that is new; a round that could not look is no empty one." };
return await untilDry(async (found, round) => {
  const looked = await agent(`look ${round}`);
  return looked && looked.found;
});
