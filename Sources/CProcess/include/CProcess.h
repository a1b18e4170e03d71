#pragma once

#include <sys/types.h>

/// Starts a program in a session of its own, with /dev/null as standard input and no descriptor above 2.
///
/// Signals are back at their defaults and unblocked in it. The program is looked up in PATH unless it has a slash.
///
/// - Parameters: working_directory may be NULL; output is a descriptor for standard output and error, or -1 for the own ones.
/// - Returns: 0, or the error number that says why it did not start.
int plexus_spawn_detached(
  pid_t *process, const char *program, char *const arguments[], char *const environment[], const char *working_directory,
  int output);

/// A descriptor that becomes readable when the process ends, or -1.
int plexus_pidfd_open(pid_t process);
