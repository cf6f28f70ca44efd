import { Button, Group, Modal, Stack, Text, Textarea, TextInput } from '@mantine/core';
import { useState, type FormEvent } from 'react';
import { useAct } from '@/graphql/act';
import { SetSecretDocument } from '@/graphql/generated';
import { FocusReturn } from '@/parts/focus-return';
import { useKept } from '@/parts/kept';
import { nameProblem } from '@/parts/names';
import { Refusals } from '@/parts/problems';
import type { Project } from './settings';
import { valueProblem, valueSize } from './secret-value';

const LONGEST_NAME = 63;

/** A dialog that sets a new secret, or replaces the value of one. */
export function SecretForm(props: { project: Project; replaces: string; close: () => void }) {
  const { project, replaces, close } = props;
  const [name, setName] = useState(replaces);
  const [value, setValue] = useState('');
  const set = useAct(SetSecretDocument);
  const kept = useKept(name !== replaces || value !== '');
  const wrongName = nameProblem(name, LONGEST_NAME);
  const wrongValue = valueProblem(value);
  const taken = project.secrets.some((secret) => secret.name === name);
  const ready = name !== '' && value !== '' && wrongName === undefined && wrongValue === undefined;
  const submit = async (event: FormEvent) => {
    event.preventDefault();
    if (!ready || set.busy) return;
    const told = taken
      ? `Secret ${name} has a new value: endpoints take it with their next redeploy.`
      : `Secret ${name} is set.`;
    if (await set.act({ projectId: project.id, name, value }, told)) close();
  };
  return (
    <Modal
      opened
      onClose={close}
      {...kept}
      title={<Text fw={650}>{replaces ? `Replace ${replaces}` : 'New secret'}</Text>}
    >
      <FocusReturn />
      <form onSubmit={submit} autoComplete="off">
        <Stack>
          {!replaces && (
            <TextInput
              label="Name"
              description={
                taken ? 'There is one of this name: its value will be replaced.' : 'Deploys refer to it by this name.'
              }
              placeholder="warehouse-password"
              value={name}
              onChange={(event) => {
                setName(event.currentTarget.value);
                set.forget();
              }}
              error={set.at('name') ?? (name ? wrongName : undefined)}
              required
              data-autofocus
              autoComplete="off"
              spellCheck={false}
              classNames={{ input: 'mono' }}
            />
          )}
          <Textarea
            className="masked"
            label={replaces ? 'New value' : 'Value'}
            description={valueSize(value)}
            inputWrapperOrder={['label', 'input', 'description', 'error']}
            rows={3}
            value={value}
            onChange={(event) => {
              setValue(event.currentTarget.value);
              set.forget();
            }}
            error={set.at('value') ?? wrongValue}
            required
            data-autofocus={replaces ? true : undefined}
            autoComplete="off"
            autoCorrect="off"
            autoCapitalize="off"
            spellCheck={false}
          />
          <Text size="sm" c="dimmed">
            Nobody sees the value again.
            {taken && ' Endpoints that use it take the new one with their next redeploy; until then they keep the old.'}
          </Text>
          <Refusals problems={set.problems} shown={replaces ? ['value'] : ['name', 'value']} />
          <Group justify="flex-end">
            <Button variant="default" onClick={close}>
              Cancel
            </Button>
            <Button type="submit" loading={set.busy} disabled={!ready}>
              {taken ? 'Replace value' : 'Set secret'}
            </Button>
          </Group>
        </Stack>
      </form>
    </Modal>
  );
}
