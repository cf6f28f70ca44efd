// Typed operations: every src/**/*.graphql against the API's schema, into src/graphql/generated.ts (not committed).
// An operation that the schema does not know fails here, and so fails the build.
import { codegen } from '@graphql-codegen/core';
import * as types from '@graphql-codegen/typescript';
import * as operations from '@graphql-codegen/typescript-operations';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  buildSchema,
  NoUnusedFragmentsRule,
  parse,
  print,
  printSchema,
  specifiedRules,
  stripIgnoredCharacters,
  validate,
  visit,
} from 'graphql';
import { mantineStyles } from './mantine-styles.mjs';

const target = 'src/graphql/generated.ts';
const styles = 'src/mantine.css';
const otherStyles = 'src/mantine-pages.css';
const schema = buildSchema(readFileSync('../../schema.graphql', 'utf8'));
const sources = readdirSync('src', { recursive: true })
  .filter((name) => name.endsWith('.graphql'))
  .sort()
  .map((name) => ({ location: join('src', name), document: parse(readFileSync(join('src', name), 'utf8')) }));

const whole = { kind: 'Document', definitions: sources.flatMap(({ document }) => document.definitions) };
const problems = validate(
  schema,
  whole,
  specifiedRules.filter((rule) => rule !== NoUnusedFragmentsRule),
);
if (problems.length > 0) {
  for (const problem of problems) console.error(String(problem));
  process.exit(1);
}

const config = {
  scalars: { DateTime: 'string', Cursor: 'string', JSON: 'unknown' },
  strictScalars: true,
  useTypeImports: true,
  enumsAsTypes: true,
  avoidOptionals: { field: true, inputValue: false, object: true, defaultValue: false },
  skipTypename: true,
  dedupeFragments: true,
  preResolveTypes: true,
  onlyOperationTypes: true,
};
const written = await codegen({
  filename: target,
  schema: parse(printSchema(schema)),
  schemaAst: schema,
  documents: sources,
  config,
  plugins: [{ types: {} }, { operations: {} }],
  pluginMap: { types, operations },
});

// The documents as texts, which urql parses when they are first used: a tenth of their syntax trees' weight.
const defined = sources.flatMap(({ document }) => document.definitions);
const fragments = new Map(
  defined.filter((each) => each.kind === 'FragmentDefinition').map((each) => [each.name.value, each]),
);

function spreadIn(node, found = new Set()) {
  visit(node, {
    FragmentSpread({ name: { value } }) {
      if (found.has(value)) return;
      found.add(value);
      spreadIn(fragments.get(value), found);
    },
  });
  return found;
}

const textOf = (node) => JSON.stringify(stripIgnoredCharacters(print(node)));
const parts = [...fragments.values()].map((each) => `const in${each.name.value} = ${textOf(each)};`);
const documents = defined
  .filter((each) => each.kind === 'OperationDefinition')
  .map((each) => {
    const name = each.name.value;
    const type = name + each.operation[0].toUpperCase() + each.operation.slice(1);
    const text = [textOf(each), ...[...spreadIn(each)].map((used) => `in${used}`)].join(' + ');
    return `export const ${name}Document = (${text}) as unknown as TypedDocumentNode<${type}, ${type}Variables>;`;
  });

const content = `// Made by generate.mjs. Do not edit.
import type { TypedDocumentNode } from '@graphql-typed-document-node/core';
${written}
${parts.join('\n')}
${documents.join('\n')}
`;
write(target, content);
const [first, others] = mantineStyles('src');
write(styles, first);
write(otherStyles, others);

/** An unchanged file is left alone, so that a running vite is not woken. */
function write(file, text) {
  if (!existsSync(file) || readFileSync(file, 'utf8') !== text) writeFileSync(file, text);
}
