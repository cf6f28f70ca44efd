import { Button, Group, Modal, Select, Skeleton, Stack, Table, Text, TextInput } from '@mantine/core';
import { IconLock } from '@tabler/icons-react';
import { useState, type FormEvent } from 'react';
import { ProjectMembersDocument, type Role } from '@/graphql/generated';
import { useLiveQuery } from '@/graphql/live';
import { ConfirmButton } from '@/parts/confirm';
import { FocusReturn } from '@/parts/focus-return';
import { useFocusThatStays } from '@/parts/focus-stays';
import { None, Panel } from '@/parts/panel';
import { ErrorPanel, Refusals } from '@/parts/problems';
import { useSession } from '@/session/gate';
import { useMemberChange, type Member } from './member-change';
import type { Project } from './settings';

const LONGEST_SUBJECT = 255;
/** From the least on; each may `more` than those before it. */
const roles: { value: Role; label: string; may: string; more: string }[] = [
  { value: 'READER', label: 'Reader', may: 'sees all but values of variables', more: 'see it' },
  {
    value: 'EDITOR',
    label: 'Editor',
    may: 'changes models, deploys and serves',
    more: 'change models, deploy, serve or see values of variables',
  },
  {
    value: 'ADMINISTRATOR',
    label: 'Administrator',
    may: 'changes members and secrets too',
    more: 'change its settings, members and secrets',
  },
];
const named = (role: Role) => roles.find(({ value }) => value === role)!;
const a = (role: Role) => `${role === 'READER' ? 'a' : 'an'} ${named(role).label.toLowerCase()}`;
const placeOf = (role: Role) => roles.indexOf(named(role));

type Step = { from: Role; to: Role };
const isDown = ({ from, to }: Step) => placeOf(to) < placeOf(from);
/** What can no longer be done after a step down. */
export const lost = ({ from, to }: Step) =>
  roles
    .slice(placeOf(to) + 1, placeOf(from) + 1)
    .map(({ more }) => more)
    .join(', nor ');

export function Members({ project }: { project: Project }) {
  const [{ data, error }, again] = useLiveQuery(
    ProjectMembersDocument,
    { project: project.name },
    { project: project.name },
  );
  const focus = useFocusThatStays<HTMLDivElement>((members) => members.querySelector('form input'));
  const members = data?.project?.members;
  const forbidden = error?.graphQLErrors.some(({ extensions }) => extensions.code === 'PERMISSION_DENIED');
  if (forbidden) return <MembersUnseen createdBy={project.createdBy} />;
  return (
    <Panel title="Members">
      {error && !members && <ErrorPanel error={error} again={again} />}
      {!error && !members && <Skeleton height={80} />}
      {members && (
        <Stack gap="sm" {...focus}>
          <List project={project} members={members} />
          <AddMember project={project} />
        </Stack>
      )}
    </Panel>
  );
}

/** For all but administrators. */
export function MembersUnseen({ createdBy }: { createdBy: string }) {
  return (
    <Panel title="Members">
      <Text size="sm" c="dimmed" className="lock">
        <IconLock size={15} aria-hidden /> Only administrators of the project see its members. Ask one for another role;{' '}
        {createdBy} made the project.
      </Text>
    </Panel>
  );
}

function List({ project, members }: { project: Project; members: Member[] }) {
  if (members.length === 0) return <None>It has no members; the platform’s administrators see it all the same.</None>;
  return (
    <Table.ScrollContainer minWidth={420} type="native">
      <Table aria-label="Members">
        <Table.Thead>
          <Table.Tr>
            <Table.Th>Who</Table.Th>
            <Table.Th w={200}>Role</Table.Th>
            <Table.Th w={100}>
              <span className="unseen">What can be done</span>
            </Table.Th>
          </Table.Tr>
        </Table.Thead>
        <Table.Tbody>
          {members.map((member) => (
            <Row key={member.subject} project={project} member={member} />
          ))}
        </Table.Tbody>
      </Table>
    </Table.ScrollContainer>
  );
}

function Row({ project, member }: { project: Project; member: Member }) {
  const { subject, role } = member;
  const { me } = useSession();
  const change = useMemberChange(project);
  const remove = useMemberChange(project);
  const [wanted, setWanted] = useState<Role>();
  // No rights are lost by a slip of the hand.
  const [asked, setAsked] = useState<Step>();
  const isMe = subject === me.subject;

  const become = async (to: Role) => {
    setAsked(undefined);
    setWanted(to);
    await change.act({ set: { subject, role: to } }, `${subject} is ${a(to)} now.`);
    setWanted(undefined);
  };
  const pick = (to: Role) => {
    const step = { from: role, to };
    if (isDown(step)) setAsked(step);
    else if (to !== role) void become(to);
  };
  return (
    <Table.Tr>
      <Table.Td className="subject">
        {subject}
        {isMe && (
          <Text span size="sm" c="dimmed">
            {' '}
            (you)
          </Text>
        )}
      </Table.Td>
      <Table.Td>
        <RolePick
          label={`Role of ${subject}`}
          hidden
          value={wanted ?? role}
          onPick={pick}
          disabled={change.busy}
          error={change.problems[0]?.message}
        />
        {asked && (
          <StepDown
            {...asked}
            who={isMe ? undefined : subject}
            project={project.name}
            leave={() => setAsked(undefined)}
            confirm={() => void become(asked.to)}
          />
        )}
      </Table.Td>
      <Table.Td className="number">
        <ConfirmButton
          verb="Remove"
          title={isMe ? `Leave ${project.name}?` : `Remove ${subject}?`}
          act={() => remove.act({ remove: subject }, `${subject} is no longer a member.`)}
          problems={remove.problems}
          button={{ 'aria-label': `Remove ${subject}`, variant: 'subtle', color: 'gray' }}
        >
          {isMe ? 'You' : subject} will no longer be {a(role)} of {project.name}
          {me.isAdministrator && isMe
            ? '; as an administrator of the platform you see and change it all the same.'
            : ', and no longer see it. What runs keeps running.'}
        </ConfirmButton>
      </Table.Td>
    </Table.Tr>
  );
}

/** Asks once before somebody, or you, may less. */
function StepDown(props: Step & { who?: string; project: string; leave: () => void; confirm: () => void }) {
  const { to, who, project } = props;
  const { me } = useSession();
  const title = who === undefined ? 'Give up your role?' : `Make ${who} ${a(to)}?`;
  const mine = me.isAdministrator
    ? '. As an administrator of the platform you see and change it all the same.'
    : ', nor take this back.';
  return (
    <Modal opened onClose={props.leave} title={<Text fw={650}>{title}</Text>}>
      <FocusReturn />
      <Stack>
        <Text size="sm">
          {who === undefined ? 'You become' : `${who} becomes`} {a(to)} of {project}, and can no longer {lost(props)}
          {who === undefined ? mine : '.'}
        </Text>
        <Group justify="flex-end">
          <Button variant="default" onClick={props.leave} data-autofocus>
            Leave it
          </Button>
          <Button color="red" onClick={props.confirm}>
            {who === undefined ? 'Become' : 'Make'} {a(to)}
          </Button>
        </Group>
      </Stack>
    </Modal>
  );
}

function RolePick(props: {
  label: string;
  /** The label is for those who do not see the table around it. */
  hidden?: boolean;
  value: Role;
  onPick: (role: Role) => void;
  disabled?: boolean;
  error?: string;
}) {
  return (
    <Select
      {...(props.hidden
        ? { 'aria-label': props.label, size: 'xs', styles: { error: { fontSize: 12 } } }
        : { label: props.label })}
      data={roles}
      value={props.value}
      onChange={(role) => role !== null && props.onPick(role)}
      renderOption={({ option, checked }) => (
        <div>
          <Text size="sm" fw={checked ? 600 : undefined}>
            {option.label}
          </Text>
          <Text size="xs" c="dimmed">
            {named(option.value as Role).may}
          </Text>
        </div>
      )}
      comboboxProps={{ width: 260, position: 'bottom-start' }}
      allowDeselect={false}
      disabled={props.disabled}
      error={props.error}
    />
  );
}

function AddMember({ project }: { project: Project }) {
  const [subject, setSubject] = useState('');
  const [role, setRole] = useState<Role>('READER');
  const { act, busy, problems, forget } = useMemberChange(project);
  const given = subject.trim();
  const submit = async (event: FormEvent) => {
    event.preventDefault();
    if (given === '' || busy) return;
    if (await act({ add: { subject: given, role } }, `${given} is ${a(role)} now.`)) setSubject('');
  };
  const mine = problems.filter(({ path }) => path?.[0] === 'members');
  return (
    <form onSubmit={submit} aria-label="Add a member">
      <Group gap="sm" align="flex-start">
        <TextInput
          label="Add somebody"
          placeholder="name"
          flex="1 1 200px"
          value={subject}
          onChange={(event) => {
            setSubject(event.currentTarget.value);
            forget();
          }}
          error={mine[0]?.message}
          maxLength={LONGEST_SUBJECT}
          autoComplete="off"
          spellCheck={false}
        />
        <RolePick label="As" value={role} onPick={setRole} />
        <Button type="submit" variant="default" mt={25} loading={busy} disabled={given === ''}>
          Add
        </Button>
      </Group>
      <Text size="xs" c="dimmed" mt={4}>
        A person or a program, by the name that its token stands for.
      </Text>
      <Refusals problems={problems.filter((each) => !mine.includes(each))} />
    </form>
  );
}
