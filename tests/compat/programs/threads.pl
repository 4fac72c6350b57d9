# Perl's interpreter threads at work; says what came out, nothing that depends on who was faster.
use strict;
use warnings;
use threads;
use threads::shared;
use Thread::Queue;
use Thread::Semaphore;

$| = 1;
my $sum = 0;
$sum += $_->join for map { my $n = $_; threads->create(sub { my $s = 0; $s += $_ for 1 .. 1000 * $n; return $s }) } 1 .. 12;
print "sum $sum\n";

my $queue = Thread::Queue->new;
my @workers = map { threads->create(sub { my $s = 0; while (defined(my $item = $queue->dequeue)) { $s += $item } return $s }) } 1 .. 4;
$queue->enqueue($_) for 1 .. 2000;
$queue->end;
my $taken = 0;
$taken += $_->join for @workers;
print "taken $taken\n";

my $turn :shared = 0;
my @order :shared;
$_->join for map {
    my $mine = $_;
    threads->create(sub {
        for (1 .. 30) {
            lock($turn);
            cond_wait($turn) until $turn % 3 == $mine;
            push @order, $mine;
            $turn++;
            cond_broadcast($turn);
        }
    })
} 0 .. 2;
print "in turn ", (join('', @order) eq '012' x 30 ? 1 : 0), "\n";

my $semaphore = Thread::Semaphore->new(2);
my $inside :shared = 0;
my $most :shared = 0;
$_->join for map {
    threads->create(sub {
        for (1 .. 20) {
            $semaphore->down;
            { lock($inside); $inside++; $most = $inside if $inside > $most; }
            threads->yield;
            { lock($inside); $inside--; }
            $semaphore->up;
        }
    })
} 1 .. 6;
print "never more than two ", ($most <= 2 ? 1 : 0), "\n";

my $gone :shared = 0;
threads->create(sub { lock($gone); $gone = 1; cond_signal($gone); })->detach;
{ lock($gone); cond_wait($gone) until $gone; }
print "detached ran\n";

my $armed :shared = 0;
my $killed = threads->create(sub {
    $SIG{KILL} = sub { threads->exit };
    { lock($armed); $armed = 1; cond_signal($armed); }
    select(undef, undef, undef, 0.01) while 1;
});
{ lock($armed); cond_wait($armed) until $armed; }
$killed->kill('KILL')->join;
print "killed one joined\n";

print "child ", join(',', sort map { $_->join } map { my $n = $_; threads->create(sub { my $s = `echo $n; exit $n`; chomp $s; return $s . ($? >> 8) }) } 1 .. 5), "\n";

my $died = threads->create(sub { local $SIG{__WARN__} = sub { }; die "on purpose\n" });
$died->join;
print "error ", $died->error;

my $pid = fork;
if ($pid == 0) { exit(threads->create(sub { return 5 })->join) }
waitpid($pid, 0);
print "fork ", $? >> 8, "\n";
local $SIG{ALRM} = sub { print "alarm\n" };
alarm 1;
select(undef, undef, undef, 10);
print "threads left ", scalar(threads->list), "\n";
