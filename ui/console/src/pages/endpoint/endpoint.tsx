// One version in one environment: how it comes up, how it is, how to call it, what it writes, what was done to it.
import { Anchor, Button, Group, Stack, Tabs, Text } from '@mantine/core';
import { Suspense } from 'react';
import { Link, useParams } from 'react-router';
import { useSubscription } from 'urql';
import {
  EndpointLiveDocument,
  EndpointPageDocument,
  type EndpointPageQuery,
  type EndpointStateFragment,
  type RevisionLineFragment,
} from '@/graphql/generated';
import { useLiveQuery } from '@/graphql/live';
import { useReachable } from '@/graphql/reachable';
import { START, useAddress, type Changes } from '@/parts/address';
import { Copyable } from '@/parts/copy';
import { detached } from '@/parts/detached';
import { Empty } from '@/parts/empty';
import { Missing } from '@/parts/missing';
import { Page } from '@/parts/page';
import { ErrorPanel } from '@/parts/problems';
import { ReaderNote } from '@/parts/role';
import { EndpointBadge } from '@/parts/status';
import { readVersionNumber } from '@/parts/version-number';
import { paths } from '@/paths';
import { lazy } from '@/shell/chunks';
import { Loading } from '@/shell/loading';
import Nowhere from '../nowhere/nowhere';
import { Acts } from './acts';
import { Cause } from './cause';
import { Pods, usePods } from './pods';
import { Rollout } from './rollout';
import { Story } from './story';
import { useTrial } from './trial';
import { Undeployed } from './undeployed';
import './endpoint.css';

const Call = lazy(() => import('./call'));
const Logs = lazy(() => import('./logs'));
const History = lazy(() => import('./history'));

export type Model = NonNullable<EndpointPageQuery['model']>;
export type Version = NonNullable<Model['version']>;
export type Endpoint = EndpointStateFragment & NonNullable<Version['endpoint']>;
export type Of = {
  project: string;
  model: string;
  number: number;
  environment: string;
  endpoint: Endpoint;
  /** The revision that the page's head tells about: the wished one, else the newest. */
  newest: RevisionLineFragment | undefined;
  editable: boolean;
  /** Whether its environment takes deploys and rollbacks. */
  open: boolean;
  /** Whether its cluster answered last. */
  reachable: boolean;
};

const tabs = ['timeline', 'call', 'logs', 'history'] as const;

/** What a tab keeps in the address; the next begins anew. */
const NO_TAB: Changes = {
  ...START,
  ...Object.fromEntries(
    ['severity', 'type', 'as', 'search', 'pod', 'previous', 'raw', 'compare'].map((key) => [key, null]),
  ),
};

export default function EndpointPage() {
  const { project = '', model = '', number: text = '', environment = '' } = useParams();
  const { number, isNumber, possible } = readVersionNumber(text);
  const [{ data, error }, again] = useLiveQuery(
    EndpointPageDocument,
    { project, model, number, environment },
    { project, model },
    { pause: !possible },
  );
  const version = data?.model?.version;
  const read = version?.endpoint;
  const endpoint = useNewest(read ?? undefined);
  const reachable = useReachable(environment);
  const way = [
    { name: 'Projects', to: paths.home() },
    { name: project, to: paths.project(project) },
    { name: model, to: paths.model(project, model) },
    { name: `Version ${text}`, to: paths.version(project, model, number) },
  ];
  if (!isNumber) return <Nowhere />;
  if (!possible || (data && !version && !error))
    return <Missing what={`version ${number} of ${model} in ${project}`} way={way.slice(0, 3)} sure={!!data?.model} />;
  const editable = data?.model ? data.model.project.role !== 'READER' : false;
  const newest = endpoint?.targetRevision ?? read?.newest.nodes[0];
  const open = data?.environment?.detached === false;
  const of = endpoint && { project, model, number, environment, endpoint, newest, editable, open, reachable };
  return (
    <Page
      title={`Version ${number} in ${environment}`}
      way={way}
      beside={of && <EndpointBadge endpoint={of.endpoint} />}
      acts={of && data?.model && <Acts of={of} traffic={data.model.endpoint} />}
    >
      <ReaderNote role={data?.model?.project.role} />
      {of && data?.environment?.detached && (
        <Text size="sm" c="dimmed">
          {detached(environment)}.
        </Text>
      )}
      {error && <ErrorPanel error={error} again={again} />}
      {!data && !error && <Loading />}
      {data && version && !of && !error && (
        <NotThere
          {...{ project, model, number, environment, editable, open }}
          isFinished={version.state === 'FINISHED'}
          exists={data.environment !== null}
        />
      )}
      {of && version && <Parts key={of.endpoint.id} of={of} version={version} traffic={data.model?.endpoint?.id} />}
    </Page>
  );
}

/** What was read, with what was pushed since. */
function useNewest(read: NonNullable<Version['endpoint']> | undefined): Endpoint | undefined {
  const id = read?.id;
  const [{ data: pushed }] = useSubscription({
    query: EndpointLiveDocument,
    variables: { id: id ?? '' },
    pause: id === undefined,
  });
  if (!read) return undefined;
  const state = pushed?.versionEndpoint;
  return state && state.id === read.id && state.updatedAt >= read.updatedAt ? { ...read, ...state } : read;
}

function Parts({ of, version, traffic }: { of: Of; version: Version; traffic: string | undefined }) {
  const { endpoint, newest } = of;
  const { one, set } = useAddress();
  const seen = usePods(of);
  const trial = useTrial(version.exampleRequest);
  const tab = tabs.find((each) => each === one('tab')) ?? 'timeline';
  return (
    <>
      {endpoint.failure && <Cause failure={endpoint.failure} endpoint={endpoint} newest={newest} />}
      <Stack className="panel" p="md" component="section" aria-label="State">
        {endpoint.message && !endpoint.failure && <Text size="sm">{endpoint.message}</Text>}
        {endpoint.lifecycle === 'TERMINATED' && !endpoint.progressing ? (
          <Undeployed endpoint={endpoint} />
        ) : (
          <>
            {newest && <Rollout revision={newest} active={endpoint.activeRevision?.number} />}
            <Group gap="sm" wrap="nowrap">
              <Text size="sm" c="dimmed" style={{ flexShrink: 0 }}>
                URL
              </Text>
              <Copyable text={endpoint.url} what="Copy the URL" />
              {endpoint.lifecycle === 'FAILED' && !endpoint.progressing && (
                <Text size="sm" c="dimmed" style={{ flexShrink: 0 }}>
                  answers 404 now
                </Text>
              )}
            </Group>
            <Pods {...seen} />
          </>
        )}
      </Stack>
      <Tabs value={tab} keepMounted={false} onChange={(to) => set({ ...NO_TAB, tab: to === 'timeline' ? null : to })}>
        <Tabs.List mb="md">
          <Tabs.Tab value="timeline">Timeline</Tabs.Tab>
          <Tabs.Tab value="call">Try it</Tabs.Tab>
          <Tabs.Tab value="logs">Logs</Tabs.Tab>
          <Tabs.Tab value="history">History</Tabs.Tab>
        </Tabs.List>
        <Suspense fallback={<Loading />}>
          <Tabs.Panel value="timeline">
            <Story of={of} traffic={traffic} />
          </Tabs.Panel>
          <Tabs.Panel value="call">
            <Call of={of} trial={trial} isGuess={version.exampleRequest === null} />
          </Tabs.Panel>
          <Tabs.Panel value="logs">
            <Logs of={of} pods={seen.pods} />
          </Tabs.Panel>
          <Tabs.Panel value="history">
            <History of={of} />
          </Tabs.Panel>
        </Suspense>
      </Tabs>
    </>
  );
}

function NotThere(props: {
  project: string;
  model: string;
  number: number;
  environment: string;
  editable: boolean;
  open: boolean;
  /** Whether the version has a model to deploy. */
  isFinished: boolean;
  /** Whether there is such an environment. */
  exists: boolean;
}) {
  const { project, model, number, environment, editable, open, isFinished, exists } = props;
  if (!exists)
    return (
      <div className="panel">
        <Empty title={`There is no environment “${environment}”`}>
          See which{' '}
          <Anchor component={Link} size="sm" to={paths.environments()}>
            environments
          </Anchor>{' '}
          there are, or where{' '}
          <Anchor component={Link} size="sm" to={paths.version(project, model, number)}>
            version {number}
          </Anchor>{' '}
          runs.
        </Empty>
      </div>
    );
  return (
    <div className="panel">
      <Empty title={`Version ${number} was never deployed to ${environment}`}>
        {!open ? (
          `${detached(environment)}.`
        ) : !isFinished ? (
          'It can be deployed once its model is logged and it is finished.'
        ) : editable ? (
          <Button
            component={Link}
            size="xs"
            mt="xs"
            to={paths.deploy(project, model, number, environment)}
          >{`Deploy it …`}</Button>
        ) : (
          'An editor of the project can deploy it.'
        )}
      </Empty>
    </div>
  );
}
