// One model: its versions, who answers its address, comparison, what happened.
import { Anchor, Button, Tabs, Text } from '@mantine/core';
import { IconExternalLink } from '@tabler/icons-react';
import { Suspense } from 'react';
import { Link, useNavigate, useParams } from 'react-router';
import { useAct } from '@/graphql/act';
import { DeleteModelDocument, ModelHeadDocument } from '@/graphql/generated';
import { useLiveQuery } from '@/graphql/live';
import { useArrival } from '@/parts/arrival';
import { ConfirmButton } from '@/parts/confirm';
import { byEnvironment } from '@/parts/environments';
import { Missing } from '@/parts/missing';
import { Page } from '@/parts/page';
import { ErrorPanel } from '@/parts/problems';
import { ReaderNote } from '@/parts/role';
import { ModelEndpointBadges } from '@/parts/status';
import { When } from '@/parts/when';
import { paths } from '@/paths';
import { lazy } from '@/shell/chunks';
import { Loading } from '@/shell/loading';
import Nowhere from '../nowhere/nowhere';
import { Versions } from './versions';

const Compare = lazy(() => import('./compare'));
const Traffic = lazy(() => import('./traffic'));
const Activity = lazy(() => import('./activity'));

const tabs = ['endpoints', 'activity', 'compare'] as const;
type Tab = (typeof tabs)[number];

export default function Model() {
  const { project = '', model = '', tab } = useParams();
  return <One key={`${project}/${model}`} {...{ project, name: model, tab }} />;
}

function One({ project, name, tab }: { project: string; name: string; tab: string | undefined }) {
  const navigate = useNavigate();
  // Not in what deletes the model: that goes as soon as an event tells that the model is gone.
  const { arrive } = useArrival();
  const [{ data, error }, again] = useLiveQuery(ModelHeadDocument, { project, model: name }, { project, model: name });
  const way = [
    { name: 'Projects', to: paths.home() },
    { name: project, to: paths.project(project) },
  ];
  if (tab !== undefined && !tabs.includes(tab as Tab)) return <Nowhere />;
  if (data && !data.model && !error) return <Missing what={`model “${name}” in ${project}`} way={way} />;
  const model = data?.model;
  const editable = model !== undefined && model !== null && model.project.role !== 'READER';
  const of = { project, model: name, modelId: model?.id ?? '', editable };
  const serving = byEnvironment(model?.endpoints.nodes ?? []).filter((endpoint) => endpoint.status !== 'STOPPED');
  return (
    <Page
      title={name}
      way={way}
      beside={<ModelEndpointBadges endpoints={serving} />}
      acts={
        <>
          {model?.mlflowUrl && (
            <Button
              component="a"
              href={model.mlflowUrl}
              target="_blank"
              rel="noreferrer"
              variant="default"
              size="xs"
              rightSection={<IconExternalLink size={14} aria-hidden />}
            >
              Experiment
            </Button>
          )}
          {model && editable && (
            <DeleteModel id={model.id} name={name} deleted={() => arrive(paths.project(project))} />
          )}
        </>
      }
    >
      {error && <ErrorPanel error={error} again={again} />}
      {model && (
        <Text size="sm" c="dimmed">
          {model.description && `${model.description} · `}
          {model.type} · made by {model.createdBy} <When at={model.createdAt} />
          {serving.map(
            (endpoint) =>
              endpoint.servingVersion && (
                <span key={endpoint.id}>
                  {' · '}
                  <Anchor component={Link} size="sm" to={paths.version(project, name, endpoint.servingVersion.number)}>
                    version {endpoint.servingVersion.number}
                  </Anchor>{' '}
                  serves in {endpoint.environment.name}
                </span>
              ),
          )}
        </Text>
      )}
      <ReaderNote role={model?.project.role} what="deploy, serve and label versions" />
      <Tabs
        value={tab ?? 'versions'}
        onChange={(to) => void navigate(paths.model(project, name, to === 'versions' ? undefined : (to as Tab)))}
        keepMounted={false}
      >
        <Tabs.List mb="md">
          <Tabs.Tab value="versions">Versions</Tabs.Tab>
          <Tabs.Tab value="endpoints">Traffic</Tabs.Tab>
          {tab === 'compare' && <Tabs.Tab value="compare">Compare</Tabs.Tab>}
          <Tabs.Tab value="activity">Activity</Tabs.Tab>
        </Tabs.List>
        <Suspense fallback={<Loading />}>
          <Tabs.Panel value="versions">
            <Versions {...of} />
          </Tabs.Panel>
          <Tabs.Panel value="endpoints">
            <Traffic {...of} />
          </Tabs.Panel>
          <Tabs.Panel value="compare">
            <Compare {...of} />
          </Tabs.Panel>
          <Tabs.Panel value="activity">
            <Activity {...of} />
          </Tabs.Panel>
        </Suspense>
      </Tabs>
    </Page>
  );
}

export type Of = { project: string; model: string; modelId: string; editable: boolean };

function DeleteModel({ id, name, deleted }: { id: string; name: string; deleted: () => void }) {
  const remove = useAct(DeleteModelDocument);
  return (
    <ConfirmButton
      verb="Delete"
      title={`Delete the model ${name}?`}
      problems={remove.problems}
      button={{ color: 'red', variant: 'subtle' }}
      act={async () => {
        const done = await remove.act({ modelId: id }, `${name} is deleted.`);
        if (done) deleted();
        return done !== undefined;
      }}
    >
      Its versions, labels and history go with it. Its MLflow experiment is deleted too; MLflow can restore it. Merlin
      refuses this while anything of the model runs.
    </ConfirmButton>
  );
}
