// The model's stable addresses, one per environment: who answers, switch, stop.
import { Anchor, Button, Group, Progress, Select, Stack, Text, Title } from '@mantine/core';
import { useState } from 'react';
import { Link } from 'react-router';
import { useAct } from '@/graphql/act';
import { ModelTrafficDocument, StopServingDocument, type ModelTrafficQuery } from '@/graphql/generated';
import { useLiveQuery } from '@/graphql/live';
import { ConfirmButton } from '@/parts/confirm';
import { CodeBlock, Copyable } from '@/parts/copy';
import { Empty } from '@/parts/empty';
import { useFocusThatStays } from '@/parts/focus-stays';
import { ErrorPanel, ProblemPanel } from '@/parts/problems';
import { ServeButton } from '@/parts/serve';
import { Badge, ModelEndpointBadge, statusOf } from '@/parts/status';
import { When } from '@/parts/when';
import { paths } from '@/paths';
import { Loading } from '@/shell/loading';
import type { Of } from './model';

type Endpoint = NonNullable<ModelTrafficQuery['model']>['endpoints']['nodes'][number];
type Candidate = ModelTrafficQuery['versionEndpoints']['nodes'][number];

export default function Traffic(of: Of) {
  const { project, model } = of;
  const [{ data, error }, again] = useLiveQuery(ModelTrafficDocument, { project, model }, { project, model });
  if (error && !data?.model) return <ErrorPanel error={error} again={again} />;
  if (!data) return <Loading />;
  const endpoints = data.model?.endpoints.nodes ?? [];
  return (
    <Stack>
      {data.environments.nodes.map((environment) => (
        <Place
          key={environment.id}
          {...of}
          environment={environment.name}
          endpoint={endpoints.find((each) => each.environment.id === environment.id)}
          candidates={data.versionEndpoints.nodes.filter((each) => each.environment.id === environment.id)}
        />
      ))}
      {data.environments.nodes.length === 0 && (
        <div className="panel">
          <Empty title="There is no environment">An operator adds one to the environments file.</Empty>
        </div>
      )}
    </Stack>
  );
}

function Place(props: Of & { environment: string; endpoint?: Endpoint; candidates: Candidate[] }) {
  const { project, model, endpoint, environment, candidates, editable } = props;
  const live = endpoint && endpoint.status !== 'STOPPED';
  const focus = useFocusThatStays<HTMLDivElement>((place) => place);
  return (
    <Stack
      className="panel"
      p="md"
      component="section"
      aria-label={`Traffic in ${environment}`}
      tabIndex={-1}
      {...focus}
    >
      <Group justify="space-between">
        <Group gap="sm">
          <Title order={2}>
            <Anchor component={Link} to={paths.environment(environment)} inherit className="plain">
              {environment}
            </Anchor>
          </Title>
          {endpoint ? <ModelEndpointBadge endpoint={endpoint} /> : <Badge tone="off" word="Never served" />}
          {endpoint && (
            <Text size="sm" c="dimmed">
              <When at={endpoint.updatedAt} />
            </Text>
          )}
        </Group>
        {editable && live && <Stop endpoint={endpoint} model={model} environment={environment} />}
      </Group>
      {endpoint?.failure && (
        <ProblemPanel
          problem={{ code: endpoint.failure.code, message: endpoint.failure.message, hint: endpoint.failure.fix }}
        />
      )}
      {endpoint && (
        <Group gap="sm" wrap="nowrap">
          <Text size="sm" c="dimmed" w={104} style={{ flexShrink: 0 }}>
            Stable URL
          </Text>
          <Copyable text={endpoint.url} what="Copy the URL" />
        </Group>
      )}
      {live && <Shares project={project} model={model} endpoint={endpoint} />}
      {editable && <Switch key={endpoint?.servingVersion?.id} {...props} />}
      {candidates.length === 0 && !live && (
        <Text size="sm" c="dimmed">
          No version runs here yet. Deploy one from its page; then it can serve.
        </Text>
      )}
      {live && (
        <details>
          <summary>
            <Text span size="sm">
              Call it
            </Text>
          </summary>
          <CodeBlock
            label="curl"
            text={`# What this address takes and answers\ncurl -s ${endpoint.url}/v2/models/${model}\n# A prediction; the version's endpoint page makes the body from its signature\ncurl -s ${endpoint.url}/v2/models/${model}/infer -H 'content-type: application/json' -d @request.json`}
          />
        </details>
      )}
    </Stack>
  );
}

function Shares({ project, model, endpoint }: { project: string; model: string; endpoint: Endpoint }) {
  const wished = endpoint.desiredTraffic.filter(
    ({ versionEndpoint: { id } }) => !endpoint.traffic.some((share) => share.versionEndpoint.id === id),
  );
  return (
    <Stack gap={4}>
      {endpoint.traffic.map(({ weight, versionEndpoint }) => (
        <Group key={versionEndpoint.id} gap="sm" wrap="nowrap">
          <Text size="sm" c="dimmed" w={104} style={{ flexShrink: 0 }}>
            Answered by
          </Text>
          <Anchor
            component={Link}
            size="sm"
            fw={600}
            to={paths.endpoint(project, model, versionEndpoint.version.number, endpoint.environment.name)}
          >
            version {versionEndpoint.version.number}
          </Anchor>
          <Progress value={weight} w={120} aria-label={`Share of version ${versionEndpoint.version.number}`} />
          <Text size="sm" className="numbers">
            {weight} %
          </Text>
        </Group>
      ))}
      {wished.map(({ weight, versionEndpoint }) => (
        <Group key={versionEndpoint.id} gap="sm">
          <Text size="sm" c="dimmed" w={104} style={{ flexShrink: 0 }}>
            On its way
          </Text>
          <Badge tone="busy" word={`version ${versionEndpoint.version.number}, ${weight} %`} />
        </Group>
      ))}
    </Stack>
  );
}

function Switch({
  model,
  endpoint,
  environment,
  candidates,
}: Of & { environment: string; endpoint?: Endpoint; candidates: Candidate[] }) {
  const now = endpoint?.status === 'STOPPED' ? undefined : endpoint?.servingVersion;
  const others = candidates.filter((each) => each.version.id !== now?.id);
  const [chosen, setChosen] = useState<string | null>(null);
  if (others.length === 0) return null;
  const candidate = others.find((each) => each.id === chosen);
  const number = candidate?.version.number;
  return (
    <Group gap="sm" align="flex-end">
      <Select
        label={now ? 'Switch to' : 'Let it be answered by'}
        placeholder="A running version"
        w={320}
        value={candidate ? chosen : null}
        onChange={setChosen}
        searchable
        data={others.map((each) => ({
          value: each.id,
          label: [
            `version ${each.version.number}`,
            ...each.version.aliases.map((alias) => `@${alias}`),
            statusOf(each).word.toLowerCase(),
          ].join(' · '),
          disabled: each.lifecycle === 'PENDING',
        }))}
      />
      {number !== undefined && candidate ? (
        <ServeButton
          {...{ model, environment, number }}
          endpointId={candidate.id}
          now={now?.number}
          verb={now ? 'Switch' : 'Serve'}
          size="sm"
        />
      ) : (
        <Button size="sm" disabled>
          {now ? 'Switch' : 'Serve'}
        </Button>
      )}
    </Group>
  );
}

function Stop({ endpoint, model, environment }: { endpoint: Endpoint; model: string; environment: string }) {
  const stop = useAct(StopServingDocument);
  return (
    <ConfirmButton
      verb="Stop serving"
      title={`Stop serving ${model} in ${environment}?`}
      problems={stop.problems}
      act={async () =>
        (await stop.act({ modelEndpointId: endpoint.id }, `${model} is no longer served in ${environment}.`)) !==
        undefined
      }
    >
      <code>{endpoint.url}</code> answers 404 to everybody until a version serves again. The versions themselves keep
      running.
    </ConfirmButton>
  );
}
