import { Center, Loader, VisuallyHidden } from '@mantine/core';

/** While the first of a page is on its way. */
export function Loading() {
  return (
    <Center mih="40vh" role="status">
      <Loader size="sm" type="dots" />
      <VisuallyHidden>Loading …</VisuallyHidden>
    </Center>
  );
}
