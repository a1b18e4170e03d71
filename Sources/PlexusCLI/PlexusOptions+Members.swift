/// The groups are for who reads --help; to the program they are one set of options.
extension PlexusOptions {
  subscript<Value>(dynamicMember path: WritableKeyPath<MeetingOptions, Value>) -> Value {
    get { meeting[keyPath: path] }
    set { meeting[keyPath: path] = newValue }
  }
  subscript<Value>(dynamicMember path: WritableKeyPath<IdentityOptions, Value>) -> Value {
    get { meeting.identity[keyPath: path] }
    set { meeting.identity[keyPath: path] = newValue }
  }
  subscript<Value>(dynamicMember path: WritableKeyPath<NetworkOptions, Value>) -> Value {
    get { network[keyPath: path] }
    set { network[keyPath: path] = newValue }
  }
  subscript<Value>(dynamicMember path: WritableKeyPath<DHTOptions, Value>) -> Value {
    get { dht[keyPath: path] }
    set { dht[keyPath: path] = newValue }
  }
  subscript<Value>(dynamicMember path: WritableKeyPath<EmailOptions, Value>) -> Value {
    get { email[keyPath: path] }
    set { email[keyPath: path] = newValue }
  }
  subscript<Value>(dynamicMember path: WritableKeyPath<PunchOptions, Value>) -> Value {
    get { punching[keyPath: path] }
    set { punching[keyPath: path] = newValue }
  }
  subscript<Value>(dynamicMember path: WritableKeyPath<PayloadOptions, Value>) -> Value {
    get { payload[keyPath: path] }
    set { payload[keyPath: path] = newValue }
  }
  subscript<Value>(dynamicMember path: WritableKeyPath<ServiceOptions, Value>) -> Value {
    get { services[keyPath: path] }
    set { services[keyPath: path] = newValue }
  }
  subscript<Value>(dynamicMember path: WritableKeyPath<LogOptions, Value>) -> Value {
    get { log[keyPath: path] }
    set { log[keyPath: path] = newValue }
  }
  subscript<Value>(dynamicMember path: WritableKeyPath<ConfigurationFileOptions, Value>) -> Value {
    get { file[keyPath: path] }
    set { file[keyPath: path] = newValue }
  }
}
