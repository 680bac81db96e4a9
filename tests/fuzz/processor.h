/* Included before the kernel's own files: the fuzzer says which vectors this processor seems to have, so that every variant of a
 * loop is tried on one machine. */
extern int sm_processor_has(const char *feature, int really);
#define __builtin_cpu_supports(feature) sm_processor_has(feature, __builtin_cpu_supports(feature))
