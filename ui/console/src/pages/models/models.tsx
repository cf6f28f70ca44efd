// The models of a project: what serves where, and how it is.
import { Anchor, Button, Group, SegmentedControl, Stack, Text, TextInput } from '@mantine/core';
import { IconActivity, IconServer, IconSettings } from '@tabler/icons-react';
import { useEffect, useMemo, useState } from 'react';
import { Link, useParams } from 'react-router';
import {
  ProjectModelsDocument,
  type ModelOrderField,
  type ProjectModelsQuery,
  type ProjectModelsQueryVariables,
} from '@/graphql/generated';
import { useLiveQuery } from '@/graphql/live';
import { START, useAddress, usePaging } from '@/parts/address';
import { CodeBlock } from '@/parts/copy';
import { Empty } from '@/parts/empty';
import { byEnvironment } from '@/parts/environments';
import { Missing } from '@/parts/missing';
import { Page } from '@/parts/page';
import { SearchField } from '@/parts/search';
import { Badge, ModelEndpointBadges, type Tone } from '@/parts/status';
import { DataTable, useSort, type ColumnDef } from '@/parts/table';
import { When } from '@/parts/when';
import { paths } from '@/paths';
import { useSession } from '@/session/gate';
import { snippet } from '../home/first-run';
import { NewModel } from './new-model';

type Project = NonNullable<ProjectModelsQuery['project']>;
export type Model = Project['models']['nodes'][number];
const SIZE = 25;
const fields: Record<string, ModelOrderField> = { name: 'NAME', created: 'CREATED_AT', updated: 'UPDATED_AT' };
const home = { name: 'Projects', to: paths.home() };

export default function Models() {
  const name = useParams().project ?? '';
  const { one, set } = useAddress();
  const search = one('name') ?? '';
  const serving = one('serving');
  const type = one('type') ?? '';
  const sort = useSort('name');
  const paging = usePaging(SIZE);
  const asked: ProjectModelsQueryVariables = {
    project: name,
    ...paging.place,
    filter: {
      nameContains: search || null,
      type: type || null,
      serving: serving === null ? null : serving === 'yes',
    },
    order: [{ field: fields[sort.key] ?? 'NAME', direction: sort.descending ? 'DESC' : 'ASC' }],
  };
  const [{ data, fetching, error }, again] = useLiveQuery(ProjectModelsDocument, asked, { project: name });
  const columns = useMemo(() => makeColumns(name), [name]);
  const project = data?.project;
  if (data && !project && !error) return <Missing what={`project “${name}”`} way={[home]} />;
  const filtered = search !== '' || serving !== null || type !== '';
  const mayEdit = project?.role !== 'READER' && project !== undefined;
  return (
    <Page
      title={name}
      way={[home]}
      acts={
        <>
          <Button
            component={Link}
            to={paths.endpoints(name)}
            variant="default"
            size="xs"
            leftSection={<IconServer size={15} aria-hidden />}
          >
            Endpoints
          </Button>
          <Button
            component={Link}
            to={paths.activity(name)}
            variant="default"
            size="xs"
            leftSection={<IconActivity size={15} aria-hidden />}
          >
            Activity
          </Button>
          <Button
            component={Link}
            to={paths.settings(name)}
            variant="default"
            size="xs"
            leftSection={<IconSettings size={15} aria-hidden />}
          >
            Settings
          </Button>
          {project && mayEdit && <NewModel projectId={project.id} project={name} />}
        </>
      }
    >
      {project && <About project={project} />}
      <Group gap="sm">
        <SearchField
          label="Find a model"
          value={search}
          onSearch={(text) => set({ name: text, ...START }, { replace: true })}
        />
        <TypeField value={type} onType={(text) => set({ type: text, ...START })} />
        <SegmentedControl
          size="sm"
          aria-label="Which models"
          value={serving ?? 'all'}
          onChange={(value) => set({ serving: value === 'all' ? null : value, ...START })}
          data={[
            { value: 'all', label: 'All' },
            { value: 'yes', label: 'Serving' },
            { value: 'no', label: 'Not serving' },
          ]}
        />
      </Group>
      <DataTable
        label={`Models of ${name}`}
        columns={columns}
        list={project?.models}
        asked={asked}
        fetching={fetching}
        error={error}
        again={again}
        sort={sort}
        paging={paging}
        noun={['model', 'models']}
        empty={
          filtered ? (
            <Empty title="No model matches">
              Loosen the filters above.{type && ' A type is matched as a whole: “mlflow”, not “mlf”.'}
            </Empty>
          ) : (
            <NoModels project={name} mayEdit={mayEdit} />
          )
        }
      />
    </Page>
  );
}

/** A type is any word, and matches only as a whole: it is asked for once it is written. */
function TypeField({ value, onType }: { value: string; onType: (type: string) => void }) {
  const [text, setText] = useState(value);
  // Back and links change the value from outside.
  useEffect(() => setText(value), [value]);
  const ask = (type: string) => type !== value && onType(type);
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        ask(text.trim());
      }}
    >
      <TextInput
        size="sm"
        w={195}
        aria-label="Type"
        placeholder="Type, the whole word"
        value={text}
        onChange={({ currentTarget: { value: now } }) => {
          setText(now);
          if (now === '') ask('');
        }}
        onBlur={() => ask(text.trim())}
        autoComplete="off"
        spellCheck={false}
      />
    </form>
  );
}

const roles = { READER: 'a reader', EDITOR: 'an editor', ADMINISTRATOR: 'an administrator' };

function About({ project }: { project: Project }) {
  const facts = [
    project.description,
    project.team && `team ${project.team}`,
    project.stream && `stream ${project.stream}`,
    ...project.labels.map(({ key, value }) => `${key}=${value}`),
    `You are ${roles[project.role ?? 'READER']} here`,
  ].filter(Boolean);
  return (
    <Text size="sm" c="dimmed">
      {facts.join(' · ')}
    </Text>
  );
}

function NoModels({ project, mayEdit }: { project: string; mayEdit: boolean }) {
  const { server } = useSession();
  if (!mayEdit) return <Empty title="No models yet">What its editors make or log appears here at once.</Empty>;
  return (
    <Stack p="lg" gap="sm">
      <Text fw={600}>No models yet</Text>
      <Text size="sm" c="dimmed">
        Make one above, or log the first from a notebook; it appears here at once.
      </Text>
      <CodeBlock label="Python for a notebook" text={snippet(server.publicUrl, project, 'my-model')} />
    </Stack>
  );
}

function makeColumns(project: string): ColumnDef<Model>[] {
  return [
    {
      id: 'name',
      header: 'Model',
      meta: { sort: 'name' },
      cell: ({ row: { original: model } }) => (
        <Stack gap={0}>
          <Anchor component={Link} to={paths.model(project, model.name)} fw={600} size="sm">
            {model.name}
          </Anchor>
          {model.description && (
            <Text size="xs" c="dimmed" lineClamp={1}>
              {model.description}
            </Text>
          )}
        </Stack>
      ),
    },
    { id: 'type', header: 'Type', cell: ({ row }) => row.original.type },
    { id: 'serving', header: 'Serves', cell: ({ row }) => <Serving project={project} model={row.original} /> },
    { id: 'health', header: 'Health', cell: ({ row }) => <Health project={project} model={row.original} /> },
    {
      id: 'latest',
      header: 'Latest version',
      meta: { numeric: true },
      cell: ({ row: { original: model } }) =>
        model.latestVersion ? (
          <Anchor component={Link} size="sm" to={paths.version(project, model.name, model.latestVersion.number)}>
            {model.latestVersion.number}
          </Anchor>
        ) : (
          '–'
        ),
    },
    {
      id: 'updated',
      header: 'Changed',
      meta: { sort: 'updated', numeric: true },
      cell: ({ row }) => <When at={row.original.updatedAt} />,
    },
  ];
}

const shownOf = ({ endpoints }: Pick<Model, 'endpoints'>) =>
  byEnvironment(endpoints.nodes).filter((endpoint) => endpoint.status !== 'STOPPED' || endpoint.failure);

function Serving({ project, model }: { project: string; model: Model }) {
  const shown = shownOf(model);
  if (shown.length === 0)
    return (
      <Text size="sm" c="dimmed">
        –
      </Text>
    );
  return (
    <Stack gap={2}>
      {shown.map((endpoint) => (
        <Group key={endpoint.id} gap={6}>
          {endpoint.servingVersion && (
            <Anchor component={Link} size="sm" to={paths.version(project, model.name, endpoint.servingVersion.number)}>
              version {endpoint.servingVersion.number}
            </Anchor>
          )}
          <Text size="sm" c="dimmed">
            in {endpoint.environment.name}
          </Text>
        </Group>
      ))}
    </Stack>
  );
}

/** What its addresses do, and how many of its versions are how: a failure is told whatever else serves. */
export function Health({ project, model }: { project: string; model: Pick<Model, 'name' | 'endpoints' | 'summary'> }) {
  const shown = shownOf(model);
  const { failed, unhealthy, pending, progressing, running } = model.summary;
  const counts: [count: number, tone: Tone, word: string, view: string][] = [
    [failed, 'bad', 'failed', 'trouble'],
    [unhealthy, 'warn', 'unhealthy', 'unhealthy'],
    [pending, 'busy', 'deploying', 'progress'],
    [progressing - pending, 'busy', 'under way', 'progress'],
    [running, 'good', 'running', 'running'],
  ];
  const told = counts.filter(([count]) => count > 0);
  if (shown.length === 0 && told.length === 0)
    return (
      <Text size="sm" c="dimmed">
        nothing deployed
      </Text>
    );
  return (
    <Group gap="sm">
      <ModelEndpointBadges endpoints={shown} />
      {told.map(([count, tone, word, view]) => (
        <Anchor key={word} component={Link} size="sm" to={paths.endpoints(project, view, model.name)}>
          <Badge tone={tone} word={`${count} ${word}`} />
        </Anchor>
      ))}
    </Group>
  );
}
