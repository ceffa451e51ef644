/** A failure that its message explains. */
export class Failure extends Error {
  readonly exitStatus: number = 1;
}

/** The command line has something that does not exist: the usage is shown. */
export class CommandLineError extends Failure {
  override readonly exitStatus = 2;
}
