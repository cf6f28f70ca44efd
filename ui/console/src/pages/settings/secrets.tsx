import { Button, Group, Stack, Table, Text } from '@mantine/core';
import { IconKey } from '@tabler/icons-react';
import { useRef, useState } from 'react';
import { useAct } from '@/graphql/act';
import { DeleteSecretDocument } from '@/graphql/generated';
import { ConfirmButton } from '@/parts/confirm';
import { Empty } from '@/parts/empty';
import { useFocusThatStays } from '@/parts/focus-stays';
import { Panel } from '@/parts/panel';
import { When } from '@/parts/when';
import { SecretForm } from './secret-form';
import type { Project } from './settings';

export function Secrets({ project, mayChange }: { project: Project; mayChange: boolean }) {
  const [open, setOpen] = useState<{ name: string }>();
  const newSecret = useRef<HTMLButtonElement>(null);
  const focus = useFocusThatStays<HTMLDivElement>(() => newSecret.current);
  const { secrets } = project;
  return (
    <Panel
      title="Secrets"
      beside={
        mayChange && (
          <Button
            ref={newSecret}
            variant="default"
            size="xs"
            leftSection={<IconKey size={15} aria-hidden />}
            onClick={() => setOpen({ name: '' })}
          >
            New secret
          </Button>
        )
      }
    >
      <Stack gap="sm" {...focus}>
        {secrets.length === 0 ? (
          <NoSecrets mayChange={mayChange} />
        ) : (
          <>
            <Text size="sm" c="dimmed">
              Nobody sees their values again. Who deploys a version gives them to it as environment variables, in the
              deploy form.
            </Text>
            <List project={project} mayChange={mayChange} replace={(name) => setOpen({ name })} />
          </>
        )}
      </Stack>
      {open && <SecretForm project={project} replaces={open.name} close={() => setOpen(undefined)} />}
    </Panel>
  );
}

function List(props: { project: Project; mayChange: boolean; replace: (name: string) => void }) {
  const { project, mayChange } = props;
  return (
    <Table.ScrollContainer minWidth={480} type="native">
      <Table aria-label="Secrets">
        <Table.Thead>
          <Table.Tr>
            <Table.Th>Name</Table.Th>
            <Table.Th>Set by</Table.Th>
            <Table.Th className="number">When</Table.Th>
            {mayChange && (
              <Table.Th w={190}>
                <span className="unseen">What can be done</span>
              </Table.Th>
            )}
          </Table.Tr>
        </Table.Thead>
        <Table.Tbody>
          {project.secrets.map((secret) => (
            <Table.Tr key={secret.name}>
              <Table.Td className="mono">{secret.name}</Table.Td>
              <Table.Td>{secret.updatedBy}</Table.Td>
              <Table.Td className="number">
                <When at={secret.updatedAt} />
              </Table.Td>
              {mayChange && (
                <Table.Td>
                  <Group gap={4} wrap="nowrap" justify="flex-end">
                    <Button
                      variant="default"
                      size="xs"
                      onClick={() => props.replace(secret.name)}
                      aria-label={`Replace the value of ${secret.name}`}
                    >
                      Replace
                    </Button>
                    <Delete project={project} name={secret.name} />
                  </Group>
                </Table.Td>
              )}
            </Table.Tr>
          ))}
        </Table.Tbody>
      </Table>
    </Table.ScrollContainer>
  );
}

function Delete({ project, name }: { project: Project; name: string }) {
  const remove = useAct(DeleteSecretDocument);
  return (
    <ConfirmButton
      verb="Delete"
      title={`Delete ${name}?`}
      act={async () => (await remove.act({ projectId: project.id, name }, `Secret ${name} is deleted.`)) !== undefined}
      problems={remove.problems}
      button={{ 'aria-label': `Delete ${name}`, variant: 'subtle', color: 'gray' }}
    >
      Its value is gone for good. While something that runs uses it, this is refused; later, a rollback to a revision
      that used it is refused until there is a secret of that name again.
    </ConfirmButton>
  );
}

function NoSecrets({ mayChange }: { mayChange: boolean }) {
  return (
    <Empty title="No secrets yet">
      A secret is what a model’s process needs and nobody should read: a password, the key of an API.{' '}
      {mayChange ? 'Set it here' : 'An administrator of the project sets it here'}; who deploys a version then gives it
      to the model as an environment variable, in the deploy form under “Secrets”.
    </Empty>
  );
}
