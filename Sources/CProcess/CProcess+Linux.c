// The GNU extensions of posix_spawn, which Swift's Glibc module does not show.
#define _GNU_SOURCE
#include "CProcess.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/syscall.h>
#include <unistd.h>

static int prepare(posix_spawn_file_actions_t *actions, const char *working_directory, int output) {
  int error = posix_spawn_file_actions_addopen(actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  if (!error && output >= 0) error = posix_spawn_file_actions_adddup2(actions, output, STDOUT_FILENO);
  if (!error && output >= 0) error = posix_spawn_file_actions_adddup2(actions, output, STDERR_FILENO);
  // Not every library opens its sockets close-on-exec.
  if (!error) error = posix_spawn_file_actions_addclosefrom_np(actions, STDERR_FILENO + 1);
  if (!error && working_directory) error = posix_spawn_file_actions_addchdir_np(actions, working_directory);
  return error;
}

int plexus_spawn_detached(
  pid_t *process, const char *program, char *const arguments[], char *const environment[], const char *working_directory,
  int output) {
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
  int error = posix_spawn_file_actions_init(&actions);
  if (error) return error;
  error = posix_spawnattr_init(&attributes);
  if (error) {
    posix_spawn_file_actions_destroy(&actions);
    return error;
  }
  error = prepare(&actions, working_directory, output);
  // Signals that we ignore or block would stay so in the program, which expects none of that.
  sigset_t all, none;
  sigfillset(&all);
  sigemptyset(&none);
  if (!error) error = posix_spawnattr_setsigdefault(&attributes, &all);
  if (!error) error = posix_spawnattr_setsigmask(&attributes, &none);
  if (!error) {
    error = posix_spawnattr_setflags(
      &attributes, POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSID);
  }
  if (!error) error = posix_spawnp(process, program, &actions, &attributes, arguments, environment);
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&actions);
  return error;
}

int plexus_pidfd_open(pid_t process) {
  return (int)syscall(SYS_pidfd_open, process, 0);
}
