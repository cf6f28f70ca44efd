// The same request from a shell, from Python, from any program.
import type { Of } from './endpoint';
import { parse } from './request';

export type Snippet = { key: string; name: string; text: string; note: string };

type For = Pick<Of, 'project' | 'model' | 'number' | 'environment'> & { endpoint: { url: string } };

/** In single quotes for a shell. */
const quoted = (text: string) => `'${text.replaceAll("'", `'\\''`)}'`;

/** A line for each input: to be read, and to be changed. */
export function lines(text: string): string {
  try {
    const { inputs, ...others } = JSON.parse(text) as { inputs?: unknown };
    if (!Array.isArray(inputs) || Object.keys(others).length > 0) return JSON.stringify(JSON.parse(text));
    return `{"inputs": [\n${inputs.map((input) => `  ${JSON.stringify(input)}`).join(',\n')}\n]}`;
  } catch {
    return text;
  }
}

/** As a Python text: raw where that is possible. */
const literal = (text: string) => (text.includes("'''") ? JSON.stringify(text) : `r'''${text}'''`);

/** As Python writes it; whole numbers of a floating type stay floating. */
function python(value: unknown, isFloat = false): string {
  if (value === null || value === undefined) return 'None';
  if (typeof value === 'boolean') return value ? 'True' : 'False';
  if (typeof value === 'number') return isFloat && Number.isInteger(value) ? value.toFixed(1) : String(value);
  if (typeof value === 'string') return JSON.stringify(value);
  if (Array.isArray(value)) return `[${value.map((each) => python(each, isFloat)).join(', ')}]`;
  const entries = Object.entries(value).map(([name, each]) => `${JSON.stringify(name)}: ${python(each)}`);
  return `{${entries.join(', ')}}`;
}

type Input = { name: string; datatype: string; shape: number[]; data: unknown[] };

/** What the client's `predict` is given: a dict of columns where the request is one, else the request itself. */
function dataOf(request: string): string {
  const parsed = parse(request);
  if (!('request' in parsed)) return 'None  # write the request beside this first';
  const { inputs } = parsed.request as { inputs?: Input[] };
  const columns =
    Array.isArray(inputs) && inputs.every(({ shape, data }) => shape?.length === 1 && Array.isArray(data));
  if (!columns || !inputs) return python(parsed.request);
  const lines = inputs.map(
    ({ name, datatype, data }) => `    ${JSON.stringify(name)}: ${python(data, datatype.startsWith('FP'))},`,
  );
  return ['{', ...lines, '}'].join('\n');
}

/** `server`: where Merlin itself answers. */
export function snippets(of: For, request: string, server = location.origin): Snippet[] {
  const url = `${of.endpoint.url}/v2/models/${of.model}/infer`;
  return [
    {
      key: 'curl',
      name: 'curl',
      text: `curl -s \\\n  ${quoted(url)} \\\n  -H 'content-type: application/json' \\\n  -d ${quoted(lines(request))}`,
      note: 'The address of this version in this environment; it stays the same for ever. The answer is JSON.',
    },
    {
      key: 'python',
      name: 'Python',
      text: [
        'import json',
        'import urllib.request',
        '',
        `body = json.loads(${literal(lines(request))})`,
        'request = urllib.request.Request(',
        `    ${JSON.stringify(url)},`,
        '    data=json.dumps(body).encode(),',
        '    headers={"content-type": "application/json"},',
        ')',
        'with urllib.request.urlopen(request, timeout=30) as answer:',
        '    print(json.load(answer)["outputs"])',
      ].join('\n'),
      note: 'Needs nothing but Python.',
    },
    {
      key: 'client',
      name: 'Merlin client',
      text: [
        'import merlin_client as merlin',
        '',
        `merlin.set_url(${JSON.stringify(server)})`,
        `merlin.set_project(${JSON.stringify(of.project)})`,
        `merlin.set_model(${JSON.stringify(of.model)})`,
        `version = merlin.set_model_version(${of.number})`,
        `endpoint = version.endpoint(${JSON.stringify(of.environment)})`,
        `data = ${dataOf(request)}`,
        'print(endpoint.predict(data))',
      ].join('\n'),
      note: 'Your token is taken from MERLIN_TOKEN, or from the data folder of a platform on this machine (MERLIN_HOME). The data may be a DataFrame or an array too.',
    },
    {
      key: 'v2',
      name: 'V2 JSON',
      text: `POST ${url}\ncontent-type: application/json\n\n${lines(request)}`,
      note: 'The Open Inference Protocol (V2), for any program.',
    },
  ];
}
