// What can be done to an endpoint now. Each says what it will do before it does.
import { Button, Group, Modal, Stack, Text } from '@mantine/core';
import { IconRocket } from '@tabler/icons-react';
import { useState } from 'react';
import { Link } from 'react-router';
import { useAct } from '@/graphql/act';
import { CancelDeploymentDocument, UndeployDocument } from '@/graphql/generated';
import { ConfirmButton } from '@/parts/confirm';
import { ServeButton, servingNow } from '@/parts/serve';
import { paths } from '@/paths';
import type { Model, Of } from './endpoint';

export function Acts({ of, traffic }: { of: Of; traffic: Model['endpoint'] }) {
  const { project, model, number, environment, endpoint, editable, open } = of;
  if (!editable) return null;
  const { lifecycle, desired, progressing } = endpoint;
  const runs = lifecycle === 'RUNNING' || lifecycle === 'SERVING';
  const serves = endpoint.servingWeight > 0;
  const going = desired === 'TERMINATED';
  return (
    <>
      {progressing && !going && <Cancel of={of} />}
      {lifecycle !== 'TERMINATED' && !going && (serves ? <SwitchFirst of={of} /> : <Undeploy of={of} />)}
      {open && (
        <Button
          component={Link}
          to={paths.deploy(project, model, number, environment)}
          size="xs"
          variant="default"
          leftSection={<IconRocket size={15} aria-hidden />}
        >
          {lifecycle === 'TERMINATED' || going ? 'Deploy again …' : 'Redeploy …'}
        </Button>
      )}
      {runs && lifecycle !== 'SERVING' && !going && (
        <ServeButton {...{ model, number, environment }} endpointId={endpoint.id} now={servingNow(traffic)} />
      )}
    </>
  );
}

function Cancel({ of }: { of: Of }) {
  const { endpoint, newest, environment, number } = of;
  const cancel = useAct(CancelDeploymentDocument);
  const active = endpoint.activeRevision?.number;
  return (
    <ConfirmButton
      verb="Cancel the deploy"
      title={`Cancel the deploy of revision ${newest?.number ?? ''}?`}
      problems={cancel.problems}
      act={async () =>
        (await cancel.act(
          { versionEndpointId: endpoint.id, expectedGeneration: endpoint.generation },
          'The deploy is cancelled.',
        )) !== undefined
      }
    >
      {active === undefined
        ? `Its pods are removed, and version ${number} is not deployed to ${environment}.`
        : `Its pods are removed; revision ${active} goes on answering as before.`}
    </ConfirmButton>
  );
}

/** What serves cannot be undeployed: the way there instead of a button that would be refused. */
function SwitchFirst({ of }: { of: Of }) {
  const { project, model, number, environment, endpoint } = of;
  const [open, setOpen] = useState(false);
  return (
    <>
      <Button variant="subtle" color="red" size="xs" onClick={() => setOpen(true)}>
        Undeploy
      </Button>
      <Modal
        opened={open}
        onClose={() => setOpen(false)}
        title={<Text fw={650}>Version {number} serves: switch the traffic first</Text>}
      >
        <Stack>
          <Text size="sm">
            {endpoint.servingWeight} % of the calls to {model} in {environment} go to version {number}. Let another
            version serve, or stop serving; then it can be undeployed.
          </Text>
          <Group justify="flex-end">
            <Button variant="default" onClick={() => setOpen(false)} data-autofocus>
              Leave it
            </Button>
            <Button component={Link} to={paths.model(project, model, 'endpoints')}>
              To the traffic of {model}
            </Button>
          </Group>
        </Stack>
      </Modal>
    </>
  );
}

function Undeploy({ of }: { of: Of }) {
  const { number, environment, endpoint } = of;
  const undeploy = useAct(UndeployDocument);
  return (
    <ConfirmButton
      verb="Undeploy"
      title={`Undeploy version ${number} from ${environment}?`}
      problems={undeploy.problems}
      button={{ color: 'red', variant: 'subtle' }}
      act={async () =>
        (await undeploy.act(
          { versionEndpointId: endpoint.id, expectedGeneration: endpoint.generation },
          `Version ${number} is being removed.`,
        )) !== undefined
      }
    >
      All of its pods are removed and <code>{endpoint.url}</code> answers 404. Its history stays, and it can be deployed
      again.
    </ConfirmButton>
  );
}
