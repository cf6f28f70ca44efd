import { ActionIcon, Box, Button, CopyButton, Group, Tooltip } from '@mantine/core';
import { IconCheck, IconCopy } from '@tabler/icons-react';
import { useEffect, useRef } from 'react';

/** Copies a text; says that it did. */
export function Copy({ text, what = 'Copy' }: { text: string; what?: string }) {
  return (
    <CopyButton value={text} timeout={1_500}>
      {({ copied, copy }) => (
        <Tooltip label={copied ? 'Copied' : what}>
          <ActionIcon
            variant="subtle"
            color={copied ? 'green' : 'gray'}
            size="sm"
            onClick={copy}
            aria-label={copied ? 'Copied' : what}
          >
            {copied ? <IconCheck size={15} /> : <IconCopy size={15} />}
          </ActionIcon>
        </Tooltip>
      )}
    </CopyButton>
  );
}

/** An address or name, to be copied. */
export function Copyable({ text, what }: { text: string; what?: string }) {
  return (
    <Group gap={4} wrap="nowrap" miw={0}>
      <span className="mono clip" title={text}>
        {text}
      </span>
      <Copy text={text} what={what} />
    </Group>
  );
}

/** Lines of code or output, to be copied whole. */
export function CodeBlock(props: {
  text: string;
  label: string;
  maxHeight?: number;
  /** Shows the end first, where tracebacks say what was thrown. */
  atEnd?: boolean;
}) {
  const { text, label, maxHeight, atEnd = false } = props;
  const box = useRef<HTMLPreElement>(null);
  useEffect(() => {
    if (atEnd && box.current) box.current.scrollTop = box.current.scrollHeight;
  }, [atEnd, text]);
  return (
    <Box pos="relative">
      <pre ref={box} className="code" tabIndex={0} role="region" aria-label={label} style={{ maxHeight }}>
        {text}
      </pre>
      <Box pos="absolute" top={8} right={8}>
        <CopyButton value={text} timeout={1_500}>
          {({ copied, copy }) => (
            <Button
              size="compact-xs"
              variant="default"
              onClick={copy}
              leftSection={copied ? <IconCheck size={13} /> : <IconCopy size={13} />}
            >
              {copied ? 'Copied' : 'Copy'}
            </Button>
          )}
        </CopyButton>
      </Box>
    </Box>
  );
}
