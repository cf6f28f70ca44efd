// Everything a deploy can be told, with its limits as one types, and what it would change before it does.
import { Button, Group, Select, SimpleGrid, Stack, Text, TextInput } from '@mantine/core';
import { useDebouncedValue } from '@mantine/hooks';
import { IconRocket } from '@tabler/icons-react';
import { useEffect, useMemo, useRef, useState, type FormEvent } from 'react';
import { useParams } from 'react-router';
import { useAct } from '@/graphql/act';
import { useAsk } from '@/graphql/ask';
import {
  DeployPageDocument,
  DeployVersionDocument,
  PlanDeploymentDocument,
  type DeployPageQuery,
  type SpecLinesFragment,
} from '@/graphql/generated';
import { useEvents, useLiveQuery } from '@/graphql/live';
import { mayPass } from '@/graphql/problem';
import { useReachable } from '@/graphql/reachable';
import { useRecovery } from '@/graphql/recovery';
import { useAddress } from '@/parts/address';
import { useArrival } from '@/parts/arrival';
import { detached } from '@/parts/detached';
import { Empty } from '@/parts/empty';
import { Missing } from '@/parts/missing';
import { Page } from '@/parts/page';
import { ErrorPanel, Refusals } from '@/parts/problems';
import { Stay } from '@/parts/stay';
import { readVersionNumber } from '@/parts/version-number';
import { paths } from '@/paths';
import { Loading } from '@/shell/loading';
import {
  changed,
  commentProblem,
  draftOf,
  lengthOf,
  LONGEST_COMMENT,
  rebased,
  settingsOf,
  wrongs,
  type Draft,
  type Typed,
} from './draft';
import './deploy.css';
import { Fields, pathsOf } from './fields';
import { Plan } from './plan';

type Model = NonNullable<DeployPageQuery['model']>;
type Version = NonNullable<Model['version']>;
type Environment = DeployPageQuery['environments']['nodes'][number];

const PLAN_MS = 500;

export default function DeployPage() {
  const { project = '', model = '', number = '' } = useParams();
  return <Deploy key={`${project}/${model}/${number}`} {...{ project, model, text: number }} />;
}

function Deploy({ project, model, text }: { project: string; model: string; text: string }) {
  const { number, possible } = readVersionNumber(text);
  const { one, set } = useAddress();
  const [{ data: read, error }, again] = useLiveQuery(
    DeployPageDocument,
    { project, model, number },
    { project, model },
    { requestPolicy: 'network-only', pause: !possible },
  );
  // What is typed outlasts a lost connection.
  const last = useRef(read);
  const opened = useRef<Environment>(undefined);
  if (read) last.current = read;
  const data = read ?? last.current;
  const way = [
    { name: 'Projects', to: paths.home() },
    { name: project, to: paths.project(project) },
    { name: model, to: paths.model(project, model) },
    { name: `Version ${text}`, to: paths.version(project, model, number) },
  ];
  const missing = (
    <Missing what={`version ${text} of ${model} in ${project}`} way={way.slice(0, 3)} sure={!!data?.model} />
  );
  if (!possible) return missing;
  if (error && !data) return <ErrorPanel error={error} again={again} />;
  if (!data) return <Loading />;
  const version = data.model?.version;
  if (!data.model || !version) return missing;
  const environments = data.environments.nodes.filter((each) => !each.detached);
  const usual = environments.find((each) => each.isDefault) ?? environments[0];
  // A form stays one for the environment that it was opened for, until another is chosen.
  const wanted = one('environment') ?? opened.current?.name ?? usual?.name;
  const offered = environments.find((each) => each.name === wanted);
  if (offered) opened.current = offered;
  const environment = opened.current?.name === wanted ? opened.current : undefined;
  const isDetached = data.environments.nodes.some((each) => each.name === wanted && each.detached);
  const closed = wanted === undefined || offered ? undefined : isDetached ? detached(wanted) : absent(wanted);
  const refused = whyNot(data.model, version) ?? (environment ? undefined : (closed ?? NOWHERE));
  const names = environments.map((each) => each.name);
  const choose = (name: string) => set({ environment: name }, { replace: true });
  return (
    <Page title={`Deploy version ${number}`} way={way}>
      {refused !== undefined && (
        <div className="panel">
          <Empty title={refused}>
            {refused === closed && names.length > 0 && <Elsewhere names={names} choose={choose} />}
          </Empty>
        </div>
      )}
      {refused === undefined && environment && (
        <Form
          {...{ project, model, version, environment, closed, names, choose }}
          secrets={data.model.project.secrets.map((secret) => secret.name)}
        />
      )}
    </Page>
  );
}

const NOWHERE = 'There is no environment to deploy to';
const absent = (environment: string) => `There is no environment ${environment}`;

function whyNot(model: Model, version: Version): string | undefined {
  if (model.project.role === 'READER') return 'You may look at this project, not deploy from it';
  if (version.state === 'OPEN') return 'The version is open: it can be deployed once its model is logged';
  return undefined;
}

function Elsewhere({ names, choose }: { names: string[]; choose: (environment: string) => void }) {
  return (
    <Group gap="xs" justify="center" mt="xs">
      {names.map((name) => (
        <Button key={name} size="xs" variant="default" onClick={() => choose(name)}>
          Deploy to {name} …
        </Button>
      ))}
    </Group>
  );
}

type Base = { environment: string; generation: number; spec: SpecLinesFragment; revision?: number };

/** What a deploy there begins with: what was last wished there, else the environment's defaults. */
function baseOf(version: Version, environment: Environment): Base {
  const endpoint = version.endpoints.nodes.find((each) => each.environment.id === environment.id);
  const anew = {
    environment: environment.name,
    generation: endpoint?.generation ?? 0,
    spec: environment.defaults,
  };
  if (!endpoint || endpoint.desired === 'TERMINATED' || endpoint.lifecycle === 'TERMINATED') return anew;
  const revision = endpoint.targetRevision ?? endpoint.newest.nodes[0];
  return revision ? { ...anew, spec: revision.spec, revision: revision.number } : anew;
}

function followed({ revision }: Base, { name }: Environment): string {
  if (revision === undefined) return `The defaults of ${name} count now: the fields you did not change follow them.`;
  return `Revision ${revision} is there now: the fields you did not change follow it.`;
}

function deployedIn({ deployed, limits }: Environment): string | undefined {
  const most = limits.maxDeployedVersionsPerModel;
  return most === null ? undefined : `${deployed.totalCount} of ${most} versions deployed here`;
}

function meanwhile(draft: Draft, there: number | undefined): string {
  if (there === undefined) return '';
  return draft.strategy === 'SURGE' ? '; what runs now answers until they are ready' : '; the old ones go first';
}

function Form(props: {
  project: string;
  model: string;
  version: Version;
  environment: Environment;
  /** Why nothing can be deployed there any longer. */
  closed: string | undefined;
  /** Of all environments that take deployments. */
  names: string[];
  secrets: string[];
  choose: (environment: string) => void;
}) {
  const { project, model, version, environment, closed } = props;
  const there = useMemo(() => baseOf(version, environment), [version, environment]);
  const [base, setBase] = useState(there);
  const [typed, setTyped] = useState<Typed>(() => ({ draft: draftOf(base.spec), touched: new Set() }));
  const { draft } = typed;
  const [comment, setComment] = useState('');
  const [isSent, setSent] = useState(false);
  const [isRebased, setRebased] = useState(false);
  const deploy = useAct(DeployVersionDocument);
  const planned = useAsk(PlanDeploymentDocument);
  const { arrive, arriving } = useArrival();

  const isChanged = JSON.stringify(draft) !== JSON.stringify(draftOf(base.spec));
  // Somebody else deployed while this form is open, or another environment was chosen: only what differs is sent, so it
  // must differ from what is there now.
  if (!isSent && JSON.stringify(there) !== JSON.stringify(base)) {
    setBase(there);
    setTyped(rebased(typed, draftOf(there.spec)));
    setRebased(typed.touched.size > 0 || there.environment === base.environment);
  }

  const found = wrongs(draft, { ...environment, secrets: props.secrets });
  if (closed !== undefined) found.environment = closed;
  const isWrong = Object.keys(found).length > 0;
  const wrongComment = commentProblem(comment);
  const input = { versionId: version.id, environment: environment.name, ...settingsOf(draft, base.spec) };

  // The plan follows what is typed. The text is what is compared: the same settings on the same base are planned once,
  // and once more when the connection was lost or what answers was away meanwhile.
  const wish = isWrong ? '' : JSON.stringify({ base: base.revision, input });
  const [text] = useDebouncedValue(wish, PLAN_MS);
  const [asked, setAsked] = useState(0);
  const askAgain = () => setAsked((count) => count + 1);
  useEvents({ project, model }, () => undefined, askAgain);
  const { ask, forget } = planned;
  const isAway = text !== '' && text === wish && planned.problems.some(mayPass);
  useRecovery(isAway ? planned.problems : undefined, useReachable(environment.name), askAgain);
  useEffect(() => {
    if (text !== '') void ask((JSON.parse(text) as { input: typeof input }).input);
  }, [text, ask, asked]);
  useEffect(() => forget, [environment.name, forget]);
  const isStale = planned.busy || isWrong || text !== wish;
  const refusals = isStale ? [] : planned.problems;
  // What is no field's fault stays while it is asked again: what was wrong may be so still.
  const outage = isWrong || text !== wish ? undefined : planned.problems.find(mayPass);

  const at = (path: string) =>
    found[path] ?? deploy.at(...path.split('.')) ?? (isStale ? undefined : planned.at(...path.split('.')));
  const change = (changes: Partial<Draft>) => {
    deploy.forget();
    setTyped((now) => changed(now, changes, draftOf(base.spec)));
  };
  const submit = async (event: FormEvent) => {
    event.preventDefault();
    setSent(true);
    const said = `Version ${version.number} is on its way to ${environment.name}.`;
    const done = await deploy.act(
      { ...input, expectedGeneration: base.generation, comment: comment.trim() || null },
      said,
      `The deploy of version ${version.number} to ${environment.name}`,
    );
    if (done) arrive(paths.endpoint(project, model, version.number, environment.name));
    else setSent(false);
  };
  const shown = ['environment', 'comment', ...pathsOf(draft)];
  const problems = deploy.problems.length > 0 ? deploy.problems : refusals.filter((each) => each !== outage);
  return (
    <form onSubmit={submit} aria-label="Deploy">
      <Stay unsaved={!arriving && (isSent || isChanged || comment !== '')}>
        {isSent ? 'It is being sent.' : 'What you typed here is not deployed.'}
      </Stay>
      <SimpleGrid cols={{ base: 1, lg: 2 }} spacing="md">
        <Stack>
          <Stack className="panel" p="md">
            <Select
              label="Environment"
              description={deployedIn(environment)}
              data={[
                ...props.names,
                ...(closed === undefined ? [] : [{ value: environment.name, label: environment.name, disabled: true }]),
              ]}
              value={environment.name}
              onChange={(name) => {
                deploy.forget();
                if (name !== null) props.choose(name);
              }}
              allowDeselect={false}
              error={at('environment')}
              maw={320}
            />
            <Text size="sm" c="dimmed">
              {base.revision === undefined
                ? `The fields begin with the defaults of ${environment.name}.`
                : `The fields begin with the settings of revision ${base.revision}, which is there now.`}
            </Text>
          </Stack>
          <Fields
            draft={draft}
            base={draftOf(base.spec)}
            change={change}
            at={at}
            environment={environment}
            secrets={props.secrets}
          />
        </Stack>
        <Stack className="beside">
          <Plan
            plan={planned.answer?.plan ?? undefined}
            meanwhile={meanwhile(draft, base.revision)}
            stale={isStale}
            waits={isWrong}
            refused={refusals.length > 0}
            problem={outage}
            again={askAgain}
          />
          <Stack className="panel" p="md" gap="sm">
            <TextInput
              label="Why"
              placeholder="Kept with the revision"
              description={
                comment &&
                `${lengthOf(comment).toLocaleString('en')} of ${LONGEST_COMMENT.toLocaleString('en')} characters`
              }
              value={comment}
              onChange={(event) => {
                deploy.forget();
                setComment(event.currentTarget.value);
              }}
              error={wrongComment ?? at('comment')}
            />
            <div role="status">{isRebased && <Text size="sm">{followed(base, environment)}</Text>}</div>
            <Refusals problems={problems} shown={shown} />
            <Group gap="sm">
              <Button
                type="submit"
                loading={deploy.busy}
                disabled={isWrong || wrongComment !== undefined}
                leftSection={<IconRocket size={16} aria-hidden />}
              >
                {base.revision === undefined ? 'Deploy' : 'Redeploy'} to {environment.name}
              </Button>
              {(isWrong || wrongComment !== undefined) && (
                <Text size="sm" c="dimmed">
                  Mend what is marked first.
                </Text>
              )}
            </Group>
          </Stack>
        </Stack>
      </SimpleGrid>
    </form>
  );
}
