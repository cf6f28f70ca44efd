// All revisions: who, when, why, what became of them; what differs between any two; and back to one of them.
import { Checkbox, Group, Stack, Text } from '@mantine/core';
import { createContext, useContext, useMemo } from 'react';
import { useQuery } from 'urql';
import { useAct } from '@/graphql/act';
import {
  EndpointHistoryDocument,
  RevisionDiffDocument,
  RollBackDocument,
  type RevisionLineFragment,
} from '@/graphql/generated';
import { useLiveQuery } from '@/graphql/live';
import { useAddress, usePaging } from '@/parts/address';
import { Changes } from '@/parts/changes';
import { ConfirmButton } from '@/parts/confirm';
import { Empty } from '@/parts/empty';
import { None, Panel } from '@/parts/panel';
import { ErrorPanel } from '@/parts/problems';
import { RevisionBadge } from '@/parts/status';
import { DataTable, type ColumnDef } from '@/parts/table';
import { When } from '@/parts/when';
import { Loading } from '@/shell/loading';
import type { Of } from './endpoint';
import { took } from './rollout';

const SIZE = 20;

type Choice = { chosen: number[]; toggle: (number: number) => void };
const Choosing = createContext<Choice>({ chosen: [], toggle: () => undefined });
const Here = createContext<Of | undefined>(undefined);

export default function History({ of }: { of: Of }) {
  const paging = usePaging(SIZE);
  const { project, model, endpoint } = of;
  const [{ data, error, fetching }, again] = useLiveQuery(
    EndpointHistoryDocument,
    { id: endpoint.id, ...paging.place },
    { project, model },
  );
  const { all, set } = useAddress();
  const choice = useMemo<Choice>(() => {
    const chosen = all('compare').map(Number).filter(Number.isSafeInteger).slice(0, 2);
    return {
      chosen,
      // The third chosen takes the place of the first.
      toggle: (number) => {
        const next = chosen.includes(number) ? chosen.filter((each) => each !== number) : [...chosen.slice(-1), number];
        set({ compare: next.map(String) });
      },
    };
  }, [all, set]);
  const columns = useMemo(makeColumns, []);
  const list = data?.node && 'revisions' in data.node ? data.node.revisions : undefined;
  const newest = list?.nodes[0]?.number;
  return (
    <Choosing.Provider value={choice}>
      <Here.Provider value={of}>
        <Stack>
          <DataTable
            label="Revisions"
            columns={columns}
            list={list}
            asked={paging.place}
            fetching={fetching}
            error={error}
            again={() => again()}
            paging={paging}
            noun={['revision', 'revisions']}
            empty={<Empty title="No revision yet" />}
          />
          <Difference of={of} chosen={choice.chosen} newest={newest} />
        </Stack>
      </Here.Provider>
    </Choosing.Provider>
  );
}

function Difference({ of, chosen, newest }: { of: Of; chosen: number[]; newest: number | undefined }) {
  const [low, high] = [...chosen].sort((a, b) => a - b);
  // One chosen is compared with the one before; none: the newest with its own.
  const number = high ?? low ?? newest ?? 0;
  const from = high === undefined ? number - 1 : (low ?? 0);
  if (number === 0) return null;
  return (
    <Panel title={from > 0 ? `What revision ${number} changed from revision ${from}` : 'What changed'}>
      {from > 0 ? <Diff id={of.endpoint.id} number={number} from={from} /> : <None>Revision 1 is the first.</None>}
      <None>Tick any two revisions to compare them.</None>
    </Panel>
  );
}

function Diff({ id, number, from }: { id: string; number: number; from: number }) {
  const [{ data, error, fetching }, again] = useQuery({
    query: RevisionDiffDocument,
    variables: { id, number, from },
    // Revisions never change.
    requestPolicy: 'cache-first',
  });
  if (error) return <ErrorPanel error={error} again={again} />;
  const revision = data?.node && 'revision' in data.node ? data.node.revision : undefined;
  if (fetching && revision?.number !== number) return <Loading />;
  if (!revision) return <None>There is no revision {number}.</None>;
  return revision.changesFrom.length === 0 ? (
    <None>Their settings are the same.</None>
  ) : (
    <Changes changes={revision.changesFrom} label={`Changes from revision ${from} to ${number}`} />
  );
}

function makeColumns(): ColumnDef<RevisionLineFragment>[] {
  return [
    { id: 'pick', header: '', meta: { width: 36 }, cell: ({ row }) => <Pick number={row.original.number} /> },
    { id: 'number', header: 'Revision', meta: { numeric: true }, cell: ({ row }) => row.original.number },
    {
      id: 'status',
      header: 'Status',
      cell: ({ row: { original } }) => <RevisionBadge status={original.status} more={original.failure?.message} />,
    },
    { id: 'why', header: 'Why', cell: ({ row: { original } }) => <Why revision={original} /> },
    { id: 'who', header: 'By', cell: ({ row }) => row.original.createdBy },
    {
      id: 'when',
      header: 'When',
      meta: { numeric: true },
      cell: ({ row }) => <When at={row.original.createdAt} />,
    },
    {
      id: 'took',
      header: 'Until active',
      meta: { numeric: true },
      cell: ({ row: { original } }) =>
        original.activeAt ? took(Date.parse(original.activeAt) - Date.parse(original.createdAt)) : '–',
    },
    { id: 'back', header: '', cell: ({ row }) => <Back to={row.original} /> },
  ];
}

const causes = { DEPLOY: 'Deployed', REDEPLOY: 'Redeployed', ROLLBACK: 'Rolled back' };

function Why({ revision }: { revision: RevisionLineFragment }) {
  const { cause, rollbackTo, comment, failure } = revision;
  return (
    <Stack gap={0} className="typed" miw={160} maw={420}>
      <Text size="sm">
        {causes[cause]}
        {rollbackTo !== null && ` to revision ${rollbackTo}`}
        {comment && (
          <Text span c="dimmed" size="sm">
            {' '}
            “{comment}”
          </Text>
        )}
      </Text>
      {failure && (
        <Text size="xs" c="dimmed" lineClamp={2} title={failure.message}>
          {failure.code}: {failure.message}
        </Text>
      )}
    </Stack>
  );
}

function Pick({ number }: { number: number }) {
  const { chosen, toggle } = useContext(Choosing);
  return (
    <Checkbox
      size="xs"
      aria-label={`Compare revision ${number}`}
      checked={chosen.includes(number)}
      onChange={() => toggle(number)}
    />
  );
}

function Back({ to }: { to: RevisionLineFragment }) {
  const of = useContext(Here);
  if (!of?.editable || !of.open || to.activeAt === null || to.number === of.endpoint.activeRevision?.number)
    return null;
  return <RollBack of={of} to={to.number} />;
}

function RollBack({ of, to }: { of: Of; to: number }) {
  const { endpoint } = of;
  const back = useAct(RollBackDocument);
  const active = endpoint.activeRevision?.number;
  return (
    <Group justify="flex-end">
      <ConfirmButton
        verb="Roll back"
        danger={false}
        title={`Roll back to revision ${to}?`}
        problems={back.problems}
        button={{ size: 'compact-xs', 'aria-label': `Roll back to revision ${to}` }}
        act={async () =>
          (await back.act(
            { versionEndpointId: endpoint.id, toRevision: to, expectedGeneration: endpoint.generation },
            `On the way back to revision ${to}.`,
          )) !== undefined
        }
      >
        <Stack gap="xs">
          <span>
            A new revision with the settings of revision {to} is rolled out.{' '}
            {active !== undefined && `Revision ${active} answers until it is ready.`}
          </span>
          {active !== undefined && <Diff id={endpoint.id} number={to} from={active} />}
        </Stack>
      </ConfirmButton>
    </Group>
  );
}
