/** The operations that every sandbox may be expected to know. A sandbox of one's own may have others. */
export const OPERATION_NAMES = ["run_code", "run_command"] as const;
