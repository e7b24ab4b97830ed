#!/usr/bin/env -S tenuto run
// src/workflows/audit.js: built from fragments, do not edit
/*
 * Usage: args = { paths: string[], depth?: 'light' | 'full' } or the same as JSON text.
 * The text `export const meta = {}` in a comment must not confuse anyone.
 */
export const meta = {
  // shown in lists
  name: 'audit',
  description: 'Fan out finders per path, refute each finding with `haiku`, don\'t keep what falls',
  whenToUse: `before a release,
or when "something" smells`,
  phases: [
    { title: 'Find', detail: 'one finder per path' },
    { title: 'Refute', detail: 'one skeptic per finding', model: 'haiku' },
    { title: 'Report' },
  ],
  version: 2,
};

const FINDINGS = {
  $schema: 'http://json-schema.org/draft-07/schema#',
  type: 'object',
  additionalProperties: false,
  required: ['findings'],
  properties: {
    findings: {
      type: 'array',
      minItems: 1,
      maxItems: 20,
      items: {
        type: 'object',
        required: ['severity', 'line', 'issue'],
        properties: {
          severity: { type: 'string', enum: ['critical', 'warning', 'info'] },
          line: { type: ['integer', 'null'] },
          issue: { type: 'string', pattern: '^.+$', description: 'what is wrong, as "file: text"' },
        },
      },
    },
  },
};
const VERDICT = {
  type: 'object',
  required: ['real', 'why'],
  properties: { real: { type: 'boolean' }, why: { type: 'string' } },
};

let input = args;
if (typeof input === 'string') {
  try { input = JSON.parse(input) } catch (e) { input = {} }
}
const { paths = ['a/one.ts', 'b/two.ts'], depth = 'light', ...rest } = input ?? {};
if (!Array.isArray(paths) || !paths.length) throw new Error(`audit: paths must be a list, got ${JSON.stringify(paths)}`);
if (Object.keys(rest).length) log(`ignored: ${Object.keys(rest).toSorted().join(', ')}`);

const short = (path) => path.split('/').slice(-1)[0].replaceAll('.ts', '');
const isPath = /^(?<folder>[\p{L}\w]+)\/(?<file>\w+)\.tsx?$/u;

phase('Find');
const perPath = await pipeline(
  paths,
  (path) => {
    const groups = path.match(isPath)?.groups;
    return agent(`Find defects in ${path} (folder ${groups?.folder ?? '?'}), depth ${depth}.\nJSON only, no \`\`\` fences.`, {
      label: `find:${short(path)}`, phase: 'Find', schema: FINDINGS, agentType: 'code-reviewer', effort: 'low', stallMs: 120000,
    });
  },
  (found, path, index) =>
    parallel((found?.findings ?? []).map((finding) => () =>
      agent(`Refute: ${finding.issue} at ${path}:${finding.line ?? 0}`, { label: `refute:${index}`, phase: 'Refute', schema: VERDICT, model: 'haiku' })
        .then((verdict) => verdict && { ...finding, ...verdict, path })
        .catch(() => null)
    )).then((judged) => judged.filter(Boolean).filter((one) => one.real !== false)),
);

phase('Report');
const all = perPath.filter(Boolean).flat();
const bySeverity = all.reduce((counts, { severity }) => ({ ...counts, [severity]: (counts[severity] || 0) + 1 }), {});
let firstCritical = null;
search: for (const list of perPath) {
  for (const one of list || []) {
    if (one.severity === 'critical') { firstCritical = one.path; break search; }
  }
}
log(`audit: ${all.length} kept of ${paths.length} path(s)`, bySeverity);
if (budget.total && budget.remaining() < 1000) log('little budget left');
const summary = await agent('Summarise:\n' + all.map((one, i) => `${i + 1}. ${one.issue}`).join('\n'), { isolation: 'worktree', label: 'summary' });
return { workflow: meta.name, kept: all.length, bySeverity, firstCritical, summary, owns: Object.hasOwn(bySeverity, 'critical') };
