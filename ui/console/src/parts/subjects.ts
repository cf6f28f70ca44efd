// What lines of timeline and audit are about, by name: looked up once for each id, since names stay for ever.
import { useCallback, useEffect, useState } from 'react';
import { useClient } from 'urql';
import { SubjectsDocument, type SubjectsQuery } from '@/graphql/generated';
import { paths } from '@/paths';

export type Subject = { name: string; to: string };

const MOST = 100;
const NAMED = new Set(['VersionEndpoint', 'ModelEndpoint', 'Version', 'Model']);
const known = new Map<string, Subject | null>();

function subjectOf(node: NonNullable<SubjectsQuery['nodes'][number]>): Subject | null {
  if ('version' in node) {
    const { model, number } = node.version;
    const to = paths.endpoint(model.project.name, model.name, number, node.environment.name);
    return { name: `${model.name} version ${number} in ${node.environment.name}`, to };
  }
  if ('environment' in node) {
    const { model } = node;
    return {
      name: `${model.name} in ${node.environment.name}`,
      to: paths.model(model.project.name, model.name, 'endpoints'),
    };
  }
  if ('number' in node) {
    const { model, number } = node;
    return { name: `${model.name} version ${number}`, to: paths.version(model.project.name, model.name, number) };
  }
  if ('project' in node) return { name: node.name, to: paths.model(node.project.name, node.name) };
  return null;
}

export function useSubjects(lines: { subject: string; subjectType: string }[]): (id: string) => Subject | undefined {
  const client = useClient();
  const [found, setFound] = useState(0);
  const wanted = [...new Set(lines.filter((line) => NAMED.has(line.subjectType)).map((line) => line.subject))];
  const missing = wanted.filter((id) => !known.has(id));
  const key = missing.join(' ');
  useEffect(() => {
    if (key === '') return;
    let ended = false;
    const ids = key.split(' ');
    void (async () => {
      for (let begin = 0; begin < ids.length; begin += MOST) {
        const some = ids.slice(begin, begin + MOST);
        const { data } = await client.query(SubjectsDocument, { ids: some }).toPromise();
        some.forEach((id, index) => {
          const node = data?.nodes[index];
          if (data) known.set(id, node ? subjectOf(node) : null);
        });
      }
      if (!ended) setFound((count) => count + 1);
    })();
    return () => {
      ended = true;
    };
  }, [client, key]);
  // Another function once more is known, so that whoever depends on it is drawn again then, and only then.
  return useCallback((id: string) => known.get(id) ?? undefined, [found]);
}
