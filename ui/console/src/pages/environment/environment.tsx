// One environment: its health, what it allows and gives, what runs there.
import { SimpleGrid, Stack, Title } from '@mantine/core';
import { useEffect, type ReactNode } from 'react';
import { useParams } from 'react-router';
import { EnvironmentPageDocument, type EnvironmentPageQuery } from '@/graphql/generated';
import { useLiveQuery } from '@/graphql/live';
import { Chip } from '@/parts/chips';
import { Copyable } from '@/parts/copy';
import { EndpointList, useEndpointView } from '@/parts/endpoint-list';
import { Facts } from '@/parts/facts';
import { Missing } from '@/parts/missing';
import { Page } from '@/parts/page';
import { ErrorPanel } from '@/parts/problems';
import { cpu, memory, seconds } from '@/parts/quantity';
import { Reachable } from '@/parts/status';
import { When } from '@/parts/when';
import { paths } from '@/paths';

type Environment = NonNullable<EnvironmentPageQuery['environment']>;
const AGAIN_MS = 10_000;
const way = [{ name: 'Environments', to: paths.environments() }];

export default function EnvironmentPage() {
  const name = useParams().name ?? '';
  const view = useEndpointView();
  const asked = { name, ...view.place, filter: view.filter };
  const [{ data, fetching, error }, again] = useLiveQuery(EnvironmentPageDocument, asked);
  useEffect(() => {
    const timer = setInterval(() => again({ requestPolicy: 'network-only' }), AGAIN_MS);
    return () => clearInterval(timer);
  }, [again]);
  const environment = data?.environment;
  if (error && !environment)
    return (
      <Page title={name} way={way}>
        <ErrorPanel error={error} again={again} />
      </Page>
    );
  if (data && !environment) return <Missing what={`environment “${name}”`} way={way} sure />;
  return (
    <Page
      title={name}
      way={way}
      beside={
        environment && (
          <>
            <Reachable reachable={environment.reachable} what="Cluster" />
            {environment.isDefault && <Chip text="default" />}
          </>
        )
      }
    >
      {error && <ErrorPanel error={error} again={again} />}
      {environment && <Facets environment={environment} />}
      <Title order={2}>What runs here</Title>
      <EndpointList
        label={`Endpoints in ${name}`}
        list={environment?.versionEndpoints}
        none="No version of your projects is deployed here."
        {...{ view, asked, fetching }}
      />
    </Page>
  );
}

function Facets({ environment }: { environment: Environment }) {
  const { limits, defaults } = environment;
  return (
    <SimpleGrid cols={{ base: 1, sm: 2, md: 3 }}>
      <Facet title="Cluster">
        <Facts
          facts={[
            ['Name', environment.cluster],
            ['Health', environment.healthAt && <Since key="h" environment={environment} />],
            ['Gateway', <Copyable key="g" text={environment.gatewayUrl} what="Copy the gateway's address" />],
            ['Endpoints by', environment.urlStyle.toLowerCase()],
            ['Namespaces', <code key="n">{environment.namespaceTemplate}</code>],
            ['Detached', environment.detached ? 'yes: no new deploys' : null],
            ['Runtimes', environment.runtimes.map(({ name, formats }) => `${name} (${formats.join(', ')})`).join('; ')],
          ]}
        />
      </Facet>
      <Facet title="Limits">
        <Facts
          facts={[
            ['CPU of a pod', cpu(limits.maxCpu)],
            ['Memory of a pod', memory(limits.maxMemory)],
            ['Pods of a version', limits.maxReplicas ?? 'no limit'],
            ['Deployed versions of a model', limits.maxDeployedVersionsPerModel ?? 'no limit'],
          ]}
        />
      </Facet>
      <Facet title="What a deploy gets">
        <Facts
          facts={[
            [
              'CPU',
              `${cpu(defaults.resources.cpuRequest)}, ${defaults.resources.cpuLimit ? `at most ${cpu(defaults.resources.cpuLimit)}` : 'no limit'}`,
            ],
            [
              'Memory',
              `${memory(defaults.resources.memoryRequest)}, ${defaults.resources.memoryLimit ? `at most ${memory(defaults.resources.memoryLimit)}` : 'no limit'}`,
            ],
            [
              'Pods',
              defaults.minReplicas === defaults.maxReplicas
                ? defaults.minReplicas
                : `${defaults.minReplicas} to ${defaults.maxReplicas}`,
            ],
            ['A prediction', `at most ${seconds(defaults.timeoutSeconds)}`],
            ['A rollout', `at most ${seconds(defaults.deadlineSeconds)}`],
            ['Strategy', defaults.strategy.toLowerCase()],
            ['Runtime', defaults.runtime],
          ]}
        />
      </Facet>
    </SimpleGrid>
  );
}

function Since({ environment }: { environment: Environment }) {
  const word = environment.reachable ? 'answers' : 'does not answer';
  return (
    <>
      {environment.healthMessage || word}, changed <When at={environment.healthAt} />
    </>
  );
}

function Facet({ title, children }: { title: string; children: ReactNode }) {
  return (
    <Stack className="panel" p="md" gap="sm" component="section" aria-label={title}>
      <Title order={2}>{title}</Title>
      {children}
    </Stack>
  );
}
