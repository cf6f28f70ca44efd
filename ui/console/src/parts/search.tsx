import { CloseButton, TextInput } from '@mantine/core';
import { IconSearch } from '@tabler/icons-react';
import { useEffect, useRef, useState } from 'react';

const PAUSE_MS = 200;

/** A search that follows the typing, a breath behind. */
export function SearchField(props: { label: string; value: string; onSearch: (text: string) => void; width?: number }) {
  const [text, setText] = useState(props.value);
  const sent = useRef(props.value);
  const field = useRef<HTMLInputElement>(null);
  const search = useRef(props.onSearch);
  search.current = props.onSearch;
  // Back and links change the value from outside.
  useEffect(() => {
    if (props.value !== sent.current) {
      sent.current = props.value;
      setText(props.value);
    }
  }, [props.value]);
  useEffect(() => {
    if (text === sent.current) return;
    const timer = setTimeout(() => {
      sent.current = text;
      search.current(text);
    }, PAUSE_MS);
    return () => clearTimeout(timer);
  }, [text]);
  const clear = () => {
    setText('');
    // The button that was pressed goes.
    field.current?.focus();
  };
  return (
    <TextInput
      ref={field}
      size="sm"
      w={props.width ?? 280}
      maw="100%"
      aria-label={props.label}
      placeholder={props.label}
      value={text}
      onChange={(event) => setText(event.currentTarget.value)}
      leftSection={<IconSearch size={15} aria-hidden />}
      rightSection={text && <CloseButton size="sm" aria-label="Clear" onClick={clear} />}
      autoComplete="off"
      spellCheck={false}
    />
  );
}
