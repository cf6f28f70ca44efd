// One version: all that is known of it, where it runs, and one click to have it run.
import { Button, SimpleGrid, Stack, Text } from '@mantine/core';
import { IconExternalLink, IconRefresh } from '@tabler/icons-react';
import { useParams } from 'react-router';
import { useAct } from '@/graphql/act';
import {
  DeleteVersionDocument,
  FinishVersionDocument,
  DeployVersionDocument,
  RefreshVersionDocument,
  VersionPageDocument,
  type VersionPageQuery,
} from '@/graphql/generated';
import { useLiveQuery } from '@/graphql/live';
import { useArrival } from '@/parts/arrival';
import { Chips } from '@/parts/chips';
import { ConfirmButton } from '@/parts/confirm';
import { CodeBlock, Copyable } from '@/parts/copy';
import { Facts } from '@/parts/facts';
import { Missing } from '@/parts/missing';
import { Page } from '@/parts/page';
import { None, Panel } from '@/parts/panel';
import { ErrorPanel, Refusals } from '@/parts/problems';
import { VersionStateBadge } from '@/parts/status';
import { ReaderNote } from '@/parts/role';
import { readVersionNumber } from '@/parts/version-number';
import { When } from '@/parts/when';
import { paths } from '@/paths';
import { Loading } from '@/shell/loading';
import Nowhere from '../nowhere/nowhere';
import { DeployButton } from './deploy-button';
import { Endpoints } from './endpoints';
import { Metrics, Pairs } from './measured';
import { Signature } from './signature';

export type Model = NonNullable<VersionPageQuery['model']>;
export type Version = NonNullable<Model['version']>;
export type Environment = VersionPageQuery['environments']['nodes'][number];
export type Of = { project: string; model: string; version: Version; editable: boolean };

export default function VersionPage() {
  const { project = '', model = '', number = '' } = useParams();
  return <One key={`${project}/${model}/${number}`} {...{ project, model, text: number }} />;
}

function One({ project, model, text }: { project: string; model: string; text: string }) {
  const acts = useActs();
  // Not in what deletes the version: that goes as soon as an event tells that the version is gone.
  const { arrive } = useArrival();
  const { number, isNumber, possible } = readVersionNumber(text);
  const [{ data, error }, again] = useLiveQuery(
    VersionPageDocument,
    { project, model, number },
    { project, model },
    { pause: !possible },
  );
  const way = [
    { name: 'Projects', to: paths.home() },
    { name: project, to: paths.project(project) },
    { name: model, to: paths.model(project, model) },
  ];
  if (!isNumber) return <Nowhere />;
  if (!possible || (data && !data.model?.version && !error))
    return <Missing what={`version ${number} of ${model} in ${project}`} way={way} sure={!!data?.model} />;
  const version = data?.model?.version;
  const editable = data?.model ? data.model.project.role !== 'READER' : false;
  return (
    <Page
      title={`Version ${number}`}
      way={way}
      beside={
        version && (
          <>
            <VersionStateBadge state={version.state} />
            {version.run && (
              <Text c="dimmed" span>
                {version.run.name}
              </Text>
            )}
            <Chips modelId={data.model?.id ?? ''} version={version} editable={editable} />
          </>
        )
      }
      acts={
        data &&
        version && (
          <Buttons
            of={{ project, model, version, editable }}
            acts={acts}
            environments={data.environments.nodes}
            again={again}
            deleted={() => arrive(paths.model(project, model))}
          />
        )
      }
    >
      {error && <ErrorPanel error={error} again={again} />}
      {!data && !error && <Loading />}
      {data?.model && version && (
        <>
          <Refusals problems={[...acts.refresh.problems, ...acts.finish.problems, ...acts.deploy.problems]} />
          <ReaderNote role={data.model.project.role} what="deploy, serve and change it" />
          <Endpoints
            of={{ project, model, version, editable }}
            environments={data.environments.nodes}
            traffic={data.model.endpoints.nodes}
          />
          <Known version={version} />
        </>
      )}
    </Page>
  );
}

/** What is done at once; the page says below its head why one was refused. */
function useActs() {
  return {
    refresh: useAct(RefreshVersionDocument),
    finish: useAct(FinishVersionDocument),
    deploy: useAct(DeployVersionDocument),
  };
}
export type Acts = ReturnType<typeof useActs>;

function Buttons(props: { of: Of; acts: Acts; environments: Environment[]; again: () => void; deleted: () => void }) {
  const { of, environments, again } = props;
  const { version, model, editable } = of;
  const { refresh, finish, deploy } = props.acts;
  const remove = useAct(DeleteVersionDocument);
  return (
    <>
      {version.run && (
        <Button
          component="a"
          href={version.run.url}
          target="_blank"
          rel="noreferrer"
          variant="default"
          size="xs"
          rightSection={<IconExternalLink size={14} aria-hidden />}
        >
          MLflow run
        </Button>
      )}
      {editable && (
        <Button
          variant="default"
          size="xs"
          leftSection={<IconRefresh size={14} aria-hidden />}
          title="Read metrics, params and tags from MLflow once more"
          loading={refresh.busy}
          onClick={async () => {
            if (await refresh.act({ versionId: version.id }, 'Read from MLflow again.')) again();
          }}
        >
          Refresh
        </Button>
      )}
      {editable && (
        <ConfirmButton
          verb="Delete"
          title={`Delete version ${version.number} of ${model}?`}
          problems={remove.problems}
          button={{ color: 'red', variant: 'subtle' }}
          act={async () => {
            const done = await remove.act({ versionId: version.id }, `Version ${version.number} is deleted.`);
            if (done) props.deleted();
            return done !== undefined;
          }}
        >
          Its labels, aliases and history go with it; its number is not used again. Merlin refuses this while it is
          deployed anywhere.
        </ConfirmButton>
      )}
      {editable && version.state === 'OPEN' && (
        <Button
          size="xs"
          loading={finish.busy}
          title="Look for the model in its run; then it can be deployed"
          onClick={() => void finish.act({ versionId: version.id }, `Version ${version.number} is finished.`)}
        >
          Finish
        </Button>
      )}
      {editable && version.state === 'FINISHED' && <DeployButton of={of} deploy={deploy} environments={environments} />}
    </>
  );
}

function Known({ version }: { version: Version }) {
  const requirements = version.requirements ?? [];
  return (
    <>
      <SimpleGrid cols={{ base: 1, md: 2 }}>
        <Panel title="Metrics">
          <Metrics metrics={version.metrics} />
        </Panel>
        <Panel title="Params">
          <Pairs pairs={version.params} label="Params" none="No param was logged." />
        </Panel>
      </SimpleGrid>
      <Panel title="Signature">
        <Signature signature={version.signature} />
      </Panel>
      <SimpleGrid cols={{ base: 1, md: 2 }}>
        <Stack>
          <Panel title="About">
            <Facts
              facts={[
                ['Run', version.run && <Copyable key="r" text={version.run.id} what="Copy the run's id" />],
                [
                  'Run is',
                  version.run?.status ? version.run.status.toLowerCase() + (version.adopted ? ', adopted' : '') : null,
                ],
                [
                  'Artifact',
                  version.artifactUri && <Copyable key="a" text={version.artifactUri} what="Copy the artifact's URI" />,
                ],
                [
                  'Storage',
                  version.storageUri && <Copyable key="s" text={version.storageUri} what="Copy the storage URI" />,
                ],
                ['Python', version.pythonVersion],
                ['Flavours', <Flavours key="f" flavors={version.flavors} />],
                ['Made', <Moment key="m" at={version.createdAt} by={version.createdBy} />],
                ['Finished', version.finishedAt && <When key="d" at={version.finishedAt} />],
                ['Read from MLflow', version.mirroredAt && <When key="w" at={version.mirroredAt} />],
              ]}
            />
          </Panel>
          <Panel title="Tags">
            <Pairs pairs={version.tags} label="Tags" none="No tag was set." />
          </Panel>
        </Stack>
        <Stack>
          <Panel title="Requirements">
            {requirements.length > 0 ? (
              <CodeBlock label="Requirements" text={requirements.join('\n')} maxHeight={260} />
            ) : (
              <None>No requirement was logged.</None>
            )}
          </Panel>
          <Panel title="Input example">
            {version.inputExample === null ? (
              <None>None was logged; log the model with input_example to have one.</None>
            ) : (
              <CodeBlock label="Input example" text={JSON.stringify(version.inputExample, null, 2)} maxHeight={260} />
            )}
          </Panel>
        </Stack>
      </SimpleGrid>
      {Object.keys((version.properties as object | null) ?? {}).length > 0 && (
        <Panel title="Properties">
          <CodeBlock label="Properties" text={JSON.stringify(version.properties, null, 2)} maxHeight={260} />
        </Panel>
      )}
    </>
  );
}

function Moment({ at, by }: { at: string; by: string }) {
  return (
    <>
      by {by}, <When at={at} />
    </>
  );
}

function Flavours({ flavors }: { flavors: unknown }) {
  const names = Array.isArray(flavors) ? (flavors as string[]) : Object.keys((flavors as object | null) ?? {});
  return names.length > 0 ? names.join(', ') : 'not known';
}
