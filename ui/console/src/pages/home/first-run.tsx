// Who sees no project yet is told how to log a model from a notebook, with this installation's addresses.
import { Anchor, List, Stack, Text, Title } from '@mantine/core';
import { CodeBlock } from '@/parts/copy';
import { useSession } from '@/session/gate';

export function snippet(publicUrl: string, project: string, model = 'quality'): string {
  return `import merlin_client as merlin
from sklearn.datasets import load_wine
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

merlin.set_url("${publicUrl}")  # the token: MERLIN_TOKEN, or MERLIN_HOME of a local platform
merlin.set_project("${project}")
merlin.set_model("${model}")

X, y = load_wine(return_X_y=True, as_frame=True)
pipeline = make_pipeline(StandardScaler(), LogisticRegression()).fit(X, y)

with merlin.new_model_version() as version:
    merlin.log_metric("accuracy", pipeline.score(X, y))
    merlin.log_model(pipeline, input_example=X.head(2))

endpoint = merlin.deploy(version)
print(endpoint.url, endpoint.predict(X.head(3)))
`;
}

/** A project's name that nobody else is likely to have: others' projects cannot be seen, and so not be avoided. */
export function ownName(subject: string): string {
  const own = subject
    .toLowerCase()
    .replace(/@.*/, '')
    .replace(/[^a-z0-9]+/g, '-');
  return `wine-${own}`.slice(0, 32).replace(/-+$/, '');
}

export default function FirstRun() {
  const { me, server } = useSession();
  return (
    <Stack className="panel" p="lg" maw={860}>
      <Title order={2}>Your first model, from a notebook</Title>
      <Text size="sm">
        {me.isAdministrator ? (
          'There is no project yet. Create one above, or run this in a notebook:'
        ) : (
          <>
            You see no project yet. Ask an administrator of one to add you; you are <b>{me.subject}</b> here. Or create
            one above, or run this in a notebook:
          </>
        )}{' '}
        it trains a model, logs it, deploys it and asks it for predictions. This page shows it as it happens.
      </Text>
      <CodeBlock
        label="Python for a notebook"
        text={snippet(server.publicUrl, me.isAdministrator ? 'wine' : ownName(me.subject))}
      />
      <List size="sm" spacing={4}>
        <List.Item>
          The notebook needs the packages <code>merlin-client</code>, <code>mlflow</code> and <code>scikit-learn</code>;
          a platform started with <code>make run</code> has such a Python: <code>.venv-models/bin/python</code>.
        </List.Item>
        <List.Item>
          Artifacts go straight to{' '}
          <Anchor href={server.mlflowUrl} target="_blank" rel="noreferrer" size="sm">
            MLflow
          </Anchor>
          , at <code>{server.mlflowUrl}</code>.
        </List.Item>
        <List.Item>
          Programs speak GraphQL: <code>{server.publicUrl}/graphql</code>; try it in{' '}
          <Anchor href="/graphiql" size="sm">
            GraphiQL
          </Anchor>
          .
        </List.Item>
      </List>
    </Stack>
  );
}
