// The same in the dialect of Claude Code's saved workflows.
export const meta = {
  name: 'three-views-js',
  description: 'Independent views of a question, weighed by another agent',
  phases: [{ title: 'Views' }, { title: 'Verdict' }],
}

const question = args?.question ?? 'Is this migration safe?'
const count = args?.n ?? 3

phase('Views')
const views = await parallel(
  Array.from({ length: count }, (_, i) => () =>
    agent(`${question}\n\nAnswer as independent expert number ${i + 1}.`, { label: `view ${i + 1}` })),
)
const kept = views.filter(Boolean)
log(`${kept.length} of ${count} views came back`)

phase('Verdict')
const verdict = await agent(`${question}\n\nWeigh these views:\n\n${kept.join('\n\n')}`, { label: 'verdict' })
return { n: kept.length, verdict }
