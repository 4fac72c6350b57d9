# Ruby's threads at work; says what came out, nothing that depends on who was faster.
require 'digest'
require 'open3'
require 'socket'
require 'timeout'

puts "hashes #{(0...40).map { |n| Thread.new { Digest::SHA256.hexdigest('x' * n * 1000) } }.map(&:value).join.then { |s| Digest::SHA256.hexdigest(s) }}"

queue = SizedQueue.new(4)
sums = 5.times.map { Thread.new { sum = 0; while (item = queue.pop) != :over do sum += item end; sum } }
1000.times { |n| queue << n }
5.times { queue << :over }
puts "sum #{sums.sum(&:value)}"

mutex, condition, turn, order = Mutex.new, ConditionVariable.new, 0, []
4.times.map { |mine|
  Thread.new {
    50.times {
      mutex.synchronize {
        condition.wait(mutex) until turn % 4 == mine
        order << mine
        turn += 1
        condition.broadcast
      }
    }
  }
}.each(&:join)
puts "in turn #{order == (0...200).map { |n| n % 4 }}"

server = TCPServer.new('127.0.0.1', 0)
port = server.addr[1]
acceptor = Thread.new {
  20.times.map { socket = server.accept; Thread.new { while (line = socket.gets) do socket.write(line.upcase) end; socket.close } }.each(&:join)
}
puts "echoed #{20.times.map { |n| Thread.new { s = TCPSocket.new('127.0.0.1', port); s.puts("client #{n}"); a = s.gets; s.close; a } }.map(&:value).sort.join.length}"
acceptor.join

begin
  Timeout.timeout(0.05) { sleep }
rescue Timeout::Error => e
  puts "timeout #{e.class}"
end

reader, writer = IO.pipe
waiting = Thread.new { reader.gets }
sleep 0.01 until waiting.status == 'sleep'
writer.puts 'through a pipe'
puts waiting.value

sleeper = Thread.new { begin; sleep; rescue StandardError => e; "raised #{e.message}"; end }
sleep 0.01 until sleeper.status == 'sleep'
sleeper.raise(StandardError, 'from another thread')
puts sleeper.value

killed = Thread.new { begin; sleep; ensure; puts 'ensured'; end }
sleep 0.01 until killed.status == 'sleep'
killed.kill
killed.join

puts "children #{10.times.map { |n| Thread.new { Open3.capture2('/bin/cat', stdin_data: "child #{n}\n") } }.map { |t| t.value[0] }.join.length}"
puts "spinning #{4.times.map { Thread.new { (0...200_000).sum { |i| i % 7 } } }.map(&:value).uniq}"
puts "fork #{Process.wait2(fork { Thread.new { exit!(7) }.join })[1].exitstatus}"

def deep(n) = 1 + deep(n + 1)
begin
  deep(0)
rescue SystemStackError => e
  puts "main: #{e.class}"
end
puts "thread: #{Thread.new { begin; deep(0); rescue SystemStackError => e; e.class; end }.value}"
Signal.trap('USR1') { puts 'trapped' }
Process.kill('USR1', Process.pid)
sleep 0.05
puts "threads left #{Thread.list.size}"
