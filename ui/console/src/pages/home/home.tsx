// What serves, what is under way, what fails; project by project.
import { Anchor, Group, Stack, Text } from '@mantine/core';
import { Suspense, useMemo } from 'react';
import { Link } from 'react-router';
import { HomeDocument, type HomeQuery, type HomeQueryVariables, type ProjectOrderField } from '@/graphql/generated';
import { useLiveQuery } from '@/graphql/live';
import { START, useAddress, usePaging } from '@/parts/address';
import { Empty } from '@/parts/empty';
import { Page } from '@/parts/page';
import { SearchField } from '@/parts/search';
import { Badge, type Tone } from '@/parts/status';
import { DataTable, useSort, type ColumnDef } from '@/parts/table';
import { When } from '@/parts/when';
import { paths } from '@/paths';
import { useSession } from '@/session/gate';
import { lazy } from '@/shell/chunks';
import { Loading } from '@/shell/loading';
import { Attention } from './attention';
import { NewProject } from './new-project';

const FirstRun = lazy(() => import('./first-run'));

type Project = HomeQuery['projects']['nodes'][number];
const SIZE = 20;
const fields: Record<string, ProjectOrderField> = { name: 'NAME', updated: 'UPDATED_AT' };

export default function Home() {
  const { me } = useSession();
  const { one, set } = useAddress();
  const search = one('name') ?? '';
  const sort = useSort('name');
  const paging = usePaging(SIZE);
  const asked: HomeQueryVariables = {
    ...paging.place,
    filter: search ? { nameContains: search } : null,
    order: [{ field: fields[sort.key] ?? 'NAME', direction: sort.descending ? 'DESC' : 'ASC' }],
  };
  const [{ data, fetching, error }, again] = useLiveQuery(HomeDocument, asked);
  const list = data?.projects;
  const columns = useMemo(() => makeColumns(), []);
  if (list && list.totalCount === 0 && search === '') {
    return (
      <Page title="Welcome to Merlin" acts={<NewProject />}>
        <Suspense fallback={<Loading />}>
          <FirstRun />
        </Suspense>
      </Page>
    );
  }
  return (
    <Page title="Projects" acts={<NewProject />}>
      <Attention quiet={error !== undefined} />
      <SearchField
        label="Find a project"
        value={search}
        onSearch={(name) => set({ name, ...START }, { replace: true })}
      />
      <DataTable
        label="Projects"
        columns={columns}
        list={list}
        asked={asked}
        fetching={fetching}
        error={error}
        again={again}
        sort={sort}
        paging={paging}
        noun={['project', 'projects']}
        empty={
          <Empty title={`No project's name holds “${search}”`}>
            {me.isAdministrator ? undefined : 'You see only projects that you are a member of.'}
          </Empty>
        }
      />
    </Page>
  );
}

function makeColumns(): ColumnDef<Project>[] {
  return [
    {
      id: 'name',
      header: 'Project',
      meta: { sort: 'name' },
      cell: ({ row: { original: project } }) => (
        <Stack gap={0}>
          <Anchor component={Link} to={paths.project(project.name)} fw={600} size="sm">
            {project.name}
          </Anchor>
          {project.description && (
            <Text size="xs" c="dimmed" lineClamp={1}>
              {project.description}
            </Text>
          )}
        </Stack>
      ),
    },
    {
      id: 'models',
      header: 'Models',
      meta: { numeric: true, width: 90 },
      cell: ({ row: { original: project } }) => (
        <Anchor component={Link} to={paths.project(project.name)} size="sm">
          {project.summary.models.toLocaleString('en')}
        </Anchor>
      ),
    },
    { id: 'state', header: 'Endpoints', cell: ({ row }) => <Endpoints of={row.original} /> },
    {
      id: 'team',
      header: 'Team',
      cell: ({ row }) =>
        row.original.team || (
          <Text c="dimmed" span>
            –
          </Text>
        ),
    },
    { id: 'role', header: 'Your role', cell: ({ row }) => row.original.role?.toLowerCase() ?? '–' },
    {
      id: 'updated',
      header: 'Changed',
      meta: { sort: 'updated', numeric: true },
      cell: ({ row }) => <When at={row.original.updatedAt} />,
    },
  ];
}

function Endpoints({ of: { name, summary } }: { of: Project }) {
  const counts: [count: number, tone: Tone, word: string, to: string][] = [
    [summary.failed, 'bad', 'failed', paths.endpoints(name, 'trouble')],
    [summary.unhealthy, 'warn', 'unhealthy', paths.endpoints(name, 'unhealthy')],
    [summary.progressing, 'busy', 'under way', paths.endpoints(name, 'progress')],
    [summary.serving, 'good', 'serving', `${paths.project(name)}?serving=yes`],
    [summary.running, 'good', 'running', paths.endpoints(name, 'running')],
  ];
  const parts = counts
    .filter(([count]) => count > 0)
    .map(([count, tone, word, to]) => (
      <Anchor key={word} component={Link} to={to} size="sm">
        <Badge tone={tone} word={`${count} ${word}`} />
      </Anchor>
    ));
  return parts.length > 0 ? (
    <Group gap="sm">{parts}</Group>
  ) : (
    <Text size="sm" c="dimmed">
      nothing deployed
    </Text>
  );
}
